"""Loading and exporting: the plan's rows, sorted by key, the same bytes whatever the order of arrival."""

import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sample_results import FACTS, diverged, result, trial

from longlag.store.results import load, load_curves, load_study, write_csv, write_parquet
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status

ORDER = """
key study task lag min_lag cell hidden_size layers clip optimizer lr seed status error baseline_error score updates
updates_to_solve sequences_to_solve diverged_at diverged_in exploded_at path grad_norm_median grad_norm_max
grad_norm_max_at grad_norm_after_max clipped_fraction clip_cosine num_parameters num_frozen state_size skip direction
normalisation dropout decoder_cell decoder_layers initial_state
truncate batch_size budget_updates eval_every schedule stop weight_decay weight_noise dtype device test_lags
matched match_target match_reached match_note rate_basis confirmed_error reason task_version cell_version
decoder_cell_version plugins data unchecked unhashed source
fingerprint task.blanks
task.items task.symbols cell.forget_bias
"""
COLUMNS = ORDER.split()
RESULTS = [result(0), result(1, Status.SOLVED, updates_to_solve=100, confirmed_error=0.001), diverged(2), result(3)]


def study(folder: Path, results=RESULTS, planned=range(4), name: str = "mine", facts=FACTS) -> Path:
    with Store.open_for_writing(store_path(name, folder)) as store:
        store.write_plan("A title", [(trial(seed), facts) for seed in planned])
        for item in results:
            store.add(item, facts)
            store.flush()
    return folder


def csv_of(frame: pd.DataFrame) -> str:
    text = io.StringIO()
    write_csv(frame, text)
    return text.getvalue()


def row_of(frame: pd.DataFrame, seed: int) -> pd.Series:
    return frame[frame["key"] == trial(seed).key].iloc[0]


def test_the_columns_and_their_order_are_as_promised(tmp_path: Path) -> None:
    assert list(load("mine", study(tmp_path))) == COLUMNS


def test_timings_are_two_more_columns(tmp_path: Path) -> None:
    frame = load("mine", study(tmp_path), timings=True)
    assert list(frame) == [*COLUMNS[:-4], "wall_seconds", "updates_per_second", *COLUMNS[-4:]]
    assert row_of(frame, 0)["updates_per_second"] == 200 / 1.5


def test_rows_are_sorted_by_key(tmp_path: Path) -> None:
    keys = list(load("mine", study(tmp_path))["key"])
    assert keys == sorted(trial(seed).key for seed in range(4))


def test_values_follow_from_the_result_and_the_task(tmp_path: Path) -> None:
    row = row_of(load("mine", study(tmp_path)), 1)
    assert row["study"] == "mine"
    assert row["clip"] == "norm:1"
    assert row["budget_updates"] == 200
    assert row["sequences_to_solve"] == 100 * 32
    assert row["score"] == pytest.approx(1 - (0.1 + 1 / 7) / 0.875)
    assert row["task.blanks"] == 10
    assert row["cell.forget_bias"] == 1.0


def test_missing_numbers_are_missing_and_counts_stay_whole(tmp_path: Path) -> None:
    frame = load("mine", study(tmp_path))
    row = row_of(frame, 2)
    assert pd.isna(row["error"])
    assert pd.isna(row["score"])
    assert pd.isna(row["updates_to_solve"])
    assert row["diverged_at"] == 17
    assert str(frame["updates_to_solve"].dtype) == str(frame["diverged_at"].dtype) == "Int64"


def test_an_option_of_another_task_is_missing(tmp_path: Path) -> None:
    other = FACTS | {"task_options": {"length": 20, "nouns": "0-4"}, "cell_options": {}}
    with Store.open_for_writing(store_path("mine", tmp_path)) as store:
        store.write_plan("A title", [(trial(0), FACTS), (trial(1), other)])
        store.add(result(0), FACTS)
        store.add(result(1), other)
    frame = load("mine", tmp_path)
    assert list(frame)[-6:] == [
        "task.blanks",
        "task.items",
        "task.length",
        "task.nouns",
        "task.symbols",
        "cell.forget_bias",
    ]
    assert pd.isna(row_of(frame, 1)["task.blanks"])
    assert row_of(frame, 1)["task.nouns"] == "0-4"
    assert row_of(frame, 1)["task.length"] == 20


def test_an_option_of_two_kinds_becomes_text(tmp_path: Path) -> None:
    other = FACTS | {"task_options": {"items": "2-3"}}
    with Store.open_for_writing(store_path("mine", tmp_path)) as store:
        store.write_plan("A title", [(trial(0), FACTS), (trial(1), other)])
    assert list(load_study("mine", tmp_path).plan["task.items"]) == ["3", "2-3"]


def test_only_rows_of_the_plan_last_run_are_loaded(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, planned=(1, 7)))
    assert list(data.trials["key"]) == [trial(1).key]
    assert set(data.curves["key"]) == {trial(1).key}
    assert data.outside == 3


def test_a_half_finished_study_has_its_whole_plan(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, planned=(5, 0, 9)))
    assert list(data.plan["seed"]) == [5, 0, 9]
    assert len(data.trials) == 1
    assert {"budget_updates", "error_name", "solved_below", "task.items", "cell.forget_bias"} <= set(data.plan)


def test_a_study_without_results_has_empty_frames_with_their_columns(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, results=[]))
    assert len(data.plan) == 4
    assert list(data.curves) == list(load_study("more", study(tmp_path, name="more")).curves)
    assert list(load("mine", tmp_path)) == COLUMNS[:-4]
    assert csv_of(load_curves("mine", tmp_path)).count("\n") == 1


def test_trials_of_a_report_hold_the_plans_columns_and_the_timings(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path))
    assert set(data.plan) <= set(data.trials)
    assert data.trials["wall_seconds"].notna().all()
    assert data.trials["environment"].iloc[0] == '{"python": "3.11.7", "source": "aaaa"}'


def test_curves_slices_and_examples_are_long_tables(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, results=[result(0)]))
    key = trial(0).key
    assert list(zip(data.curves["key"], data.curves["update"], strict=True)) == [(key, 0), (key, 100), (key, 200)]
    assert pd.isna(data.curves["train_loss"][0])
    first = data.slices.iloc[1]
    assert list(first) == [key, 0, "position", "1", 0.5]
    assert list(zip(data.examples["name"], data.examples["value"], strict=True)) == [("is", 0.75), ("are", 0.25)]


def test_frames_do_not_depend_on_the_pages_they_were_read_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_study("mine", study(tmp_path, planned=(3, 0, 2, 7)))
    monkeypatch.setattr("longlag.store.reading._PAGE", 2)
    paged = load_study("mine", tmp_path)
    for name in ("plan", "trials", "curves", "slices", "examples"):
        pd.testing.assert_frame_equal(getattr(paged, name), getattr(whole, name))
    assert paged.outside == whole.outside == 1


def test_a_trial_that_took_no_time_has_no_rate(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, results=[result(0, wall_seconds=0.0), result(1, wall_seconds=None)]))
    assert data.trials["updates_per_second"].isna().all()


def test_a_study_of_mixed_source_names_each(tmp_path: Path) -> None:
    data = load_study("mine", study(tmp_path, results=[result(0), result(1, environment={"source": "bbbb"})]))
    assert data.sources == ("aaaa", "bbbb")
    assert data.title == "A title"


def test_no_byte_depends_on_the_order_of_arrival_on_retries_or_on_time(tmp_path: Path) -> None:
    slow = [result(3, wall_seconds=99.0), diverged(2), RESULTS[1], result(0)]
    failed_first = [result(0, Status.FAILED, measurements=()), result(77), *slow]
    one, two = study(tmp_path / "one"), study(tmp_path / "two", results=failed_first)
    for left, right in ((load("mine", one), load("mine", two)), (load_curves("mine", one), load_curves("mine", two))):
        assert csv_of(left) == csv_of(right)
        pd.testing.assert_frame_equal(left, right)


def test_csv_writes_floats_in_full_and_missing_values_empty() -> None:
    frame = pd.DataFrame(
        {
            "number": [0.1 + 0.2, float("nan"), 1e-7, 3.0],
            "count": pd.Series([1, None, 2, 3], dtype="Int64"),
            "word": pd.Series(["a,b", None, 'say "c"', "d"], dtype="str"),
            "flag": pd.Series([True, None, False, True], dtype="boolean"),
        }
    )
    expected = (
        'number,count,word,flag\n0.30000000000000004,1,"a,b",true\n,,,\n1e-07,2,"say ""c""",false\n3.0,3,d,true\n'
    )
    assert csv_of(frame) == expected


def test_csv_goes_to_a_file_as_to_a_stream(tmp_path: Path) -> None:
    frame = load("mine", study(tmp_path))
    write_csv(frame, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == csv_of(frame).encode()


def test_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = load("mine", study(tmp_path))
    write_parquet(frame, tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), frame)


def test_an_unknown_study_offers_a_near_one_and_makes_nothing(tmp_path: Path) -> None:
    study(tmp_path)
    with pytest.raises(UsageError, match=r"no study called 'mien' has results in .*; did you mean mine\?"):
        load("mien", tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == ["mine"]


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'\.\./mine' cannot name a study"):
        load("../mine", tmp_path)


def test_loading_does_not_load_torch() -> None:
    script = (
        "import sys, longlag.store.results, longlag.plan.files, longlag.process.provenance;"
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


def test_storing_loads_neither_torch_nor_pandas() -> None:
    script = "import sys, longlag.store.store; sys.exit(bool({'torch', 'pandas', 'numpy'} & sys.modules.keys()))"
    root = Path(__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
