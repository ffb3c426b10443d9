"""Learning rates are chosen fairly and written where they belong."""

import math
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from longlag.cli import main, training
from longlag.cli.tuning import need_writable
from longlag.experiments import tuning
from longlag.plan import files
from longlag.plan.rates import Basis
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.run.plan import fitted
from longlag.run.run import RunOptions
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, TrialResult


def tries(
    clip: str, lr: float, solved_at: list[int | None], error: float = 0.1, cell: str = "gru"
) -> list[dict[str, object]]:
    return [
        {
            "key": f"{cell}{clip}{lr}{seed}",
            "task": "adding",
            "cell": cell,
            "clip": clip,
            "optimizer": "adam",
            "lr": lr,
            "status": "unsolved" if updates is None else "solved",
            "updates_to_solve": updates,
            "budget_updates": 1000,
            "error": error,
            "baseline_error": 1 / 6,
        }
        for seed, updates in enumerate(solved_at)
    ]


def chosen(*rows: list[dict[str, object]]) -> dict[str, object]:
    return tuning.choose(pd.DataFrame([row for part in rows for row in part])).to_dict("records")[0]


def test_the_rate_that_solves_more_seeds_wins_over_the_faster_one() -> None:
    assert chosen(tries("none", 0.1, [100, None]), tries("none", 0.01, [900, 900]))["lr"] == 0.01


def test_of_equal_shares_the_faster_rate_wins_and_unsolved_seeds_count_their_budget() -> None:
    found = chosen(
        tries("none", 0.1, [100, None]), tries("none", 0.01, [300, None]), tries("none", 0.001, [None, None])
    )
    assert (found["lr"], found["solved"], found["tries"]) == (0.1, 1, 2)
    assert (found["basis"], found["all_solved"], found["all_tries"], found["rates_tried"]) == (Basis.EDGE, 2, 6, 3)
    assert (found["lowest"], found["highest"]) == (0.001, 0.1)


def test_where_nothing_solves_no_rate_is_found_and_the_lowest_error_stands_in() -> None:
    found = chosen(
        tries("none", 0.1, [None], 0.16), tries("none", 0.01, [None], 0.12), tries("none", 0.001, [None], 0.15)
    )
    assert (found["lr"], found["basis"]) == (0.01, Basis.NONE)


def test_where_another_clip_solves_its_best_rate_stands_in_and_no_rate_is_found() -> None:
    unsolved = [row for lr, error in ((0.1, 0.1), (0.01, 0.16)) for row in tries("value:0.1", lr, [None, None], error)]
    norm = tries("norm:1", 0.1, [None, 300]) + tries("norm:1", 0.01, [900, 900])
    none = tries("none", 0.1, [200, None]) + tries("none", 0.01, [None, None])
    rows = tuning.choose(pd.DataFrame(unsolved + norm + none)).set_index("clip")
    assert tuple(rows.loc["value:0.1", ["lr", "basis"]]) == (0.01, Basis.NEIGHBOUR)
    assert (rows.loc["norm:1", "lr"], rows.loc["none", "lr"]) == (0.01, 0.1)


def test_a_best_rate_is_tuned_where_its_neighbours_are_near() -> None:
    def with_neighbours(*rates: float) -> object:
        rows = [row for lr in rates for row in tries("none", lr, [None])] + tries("none", 0.01, [100])
        return tuning.choose(pd.DataFrame(rows)).iloc[0]["basis"]

    assert with_neighbours(0.003, 0.03) == Basis.COARSE
    assert with_neighbours(0.003, 0.0067, 0.015, 0.03) == Basis.TUNED
    assert with_neighbours(0.0067, 0.02) == Basis.COARSE
    assert with_neighbours(0.0067) == Basis.EDGE


def test_a_search_ends_at_the_peak_wherever_the_grid_began_and_tries_all_clips_alike() -> None:
    """Seeds solve sooner the nearer the rate is to a peak: that of one clip lies far outside of the first grid."""
    peaks = {"none": 0.0005, "norm:1": 0.7, "value:0.1": None}

    def trained(clip: str, lr: float) -> list[dict[str, object]]:
        peak = peaks[clip]
        far = 9.0 if peak is None else abs(math.log(lr / peak))
        return tries(clip, lr, [None, None] if far > 5 else [int(100 * far) + 1] * 2)

    rates, rounds = {0.01, 0.03, 0.1}, 0
    while True:
        trials = pd.DataFrame([row for clip in peaks for lr in rates for row in trained(clip, lr)])
        more = tuning.further(trials)
        if not more:
            break
        rates |= set(*more.values())
        rounds += 1
        assert rounds < 20
    rows = tuning.choose(trials).set_index("clip")
    assert tuple(rows.loc["none", ["lr", "basis"]]) == (0.00045, Basis.TUNED)
    assert tuple(rows.loc["norm:1", ["lr", "basis"]]) == (0.67, Basis.TUNED)
    assert tuple(rows.loc["value:0.1", ["lr", "basis"]]) == (0.67, Basis.NEIGHBOUR)
    assert rows["rates_tried"].nunique() == 1


@given(st.floats(1e-6, 5), st.sets(st.floats(1e-7, 10), max_size=4))
def test_neighbours_are_within_the_factor_and_only_asked_for_where_there_are_none(
    best: float, others: set[float]
) -> None:
    tried = sorted({best, *others})
    missing = tuning._missing_neighbours(best, tried)
    after = [*tried, *missing]
    assert any(best / 1.5001 < rate < best for rate in after)
    assert any(best < rate < best * 1.5001 for rate in after)
    assert len(missing) == 2 - any(best / 1.5 <= r < best for r in tried) - any(best < r <= best * 1.5 for r in tried)


def test_where_no_clip_solves_nothing_further_is_tried() -> None:
    rows = tries("none", 0.1, [None]) + tries("none", 0.01, [None]) + tries("none", 0.1, [100], cell="lstm")
    more = tuning.further(pd.DataFrame(rows))
    assert more == {("adding", "lstm", "adam"): (0.067, 0.15)}


def test_further_rates_are_for_all_clips_of_their_cell_and_for_no_other() -> None:
    study = files.find("tune")
    group = tuning.Group("adding:length=50", "gru", "adam")
    more = tuning.extended(study, {group: (0.02, 0.03, 0.045)}).trials()
    new = {(t.task, t.cell, t.clip, t.lr) for t in more} - {(t.task, t.cell, t.clip, t.lr) for t in study.trials()}
    assert new == {
        ("adding:length=50", "gru", clip, lr) for clip in ("none", "norm:1", "value:0.1") for lr in (0.02, 0.045)
    }


def test_a_diverged_try_counts_as_the_floor() -> None:
    found = chosen(tries("none", 0.1, [None], float("nan")), tries("none", 0.01, [None], 0.16))
    assert found["lr"] == 0.01


def test_settings_tried_unequally_often_are_refused() -> None:
    with pytest.raises(UsageError, match="task adding, cell gru: clips were tried unequally often, 1 to 2 times"):
        chosen(tries("none", 0.1, [100, None]), tries("norm:1", 0.1, [100]))


def test_written_rates_are_read_back_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head, foot = 'title = "Mine"\n', '\n[[grids]]\ntask = "adding"\ncell = "gru"\nclip = ["none", "norm:1"]\n'
    path.write_text(f"{head}{tuning._BEGIN}\nrates = []\n{tuning._END}\n{foot}")
    none, norm = (
        tries(clip, 0.1, [at_high]) + tries(clip, 0.03, [200]) for clip, at_high in (("none", 100), ("norm:1", 300))
    )
    choices = tuning.choose(pd.DataFrame(none + norm))
    tuning.write(choices, path)
    assert path.read_text().startswith(head)
    assert path.read_text().endswith(foot)
    assert {(trial.clip, trial.lr) for trial in files.read(path).trials()} == {("none", 0.1), ("norm:1", 0.03)}
    tuning.write(choices, path)
    assert path.read_text().count("rates = [") == 1
    assert {one.rate_basis for one in files.read(path).planned} == {Basis.EDGE}


def test_byte_order_mark_and_line_ends_stay_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head, foot = b'\xef\xbb\xbftitle = "Mine"\r\n', b'\r\n[[grids]]\r\ntask = "adding"\r\ncell = "gru"\r\n'
    path.write_bytes(head + f"{tuning._BEGIN}\r\nrates = []\r\n{tuning._END}\r\n".encode() + foot)
    tuning.write(tuning.choose(pd.DataFrame(tries("none", 0.1, [100]))), path)
    written = path.read_bytes()
    assert (written[: len(head)], written[-len(foot) :]) == (head, foot)
    assert written.count(b"\n") == written.count(b"\r\n")
    assert [trial.lr for trial in files.read(path).trials()][:1] == [0.1]


def test_a_file_without_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("title = 'Mine'\n")
    with pytest.raises(UsageError, match="rates go between the lines"):
        tuning.write(tuning.choose(pd.DataFrame(tries("none", 0.1, [100]))), path)
    assert path.read_text() == "title = 'Mine'\n"


def test_what_cannot_be_written_is_refused_before_anything_is_trained(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(training, "train_study", lambda *_, **__: pytest.fail("it trains"))
    mine = tmp_path / "mine.toml"
    mine.write_text((files.STUDIES / "quick.toml").read_text().replace(tuning._BEGIN, "# rates"))
    found = CliRunner().invoke(main, ["tune", str(mine), "--write"])
    assert found.exit_code == 2
    assert f"{mine}: rates go between the lines" in found.stderr


def test_the_shipped_studies_of_an_installed_package_are_not_written(tmp_path: Path, monkeypatch) -> None:
    shipped = tmp_path / "bench" / "plan" / "studies"
    shipped.mkdir(parents=True)
    shutil.copy(files.STUDIES / "quick.toml", shipped)
    monkeypatch.setattr(files, "STUDIES", shipped)
    with pytest.raises(UsageError, match="which needs a checkout: this is an installed package"):
        need_writable(shipped / "quick.toml")
    (tmp_path / "pyproject.toml").touch()
    need_writable(shipped / "quick.toml")


@pytest.mark.parametrize("name", [name for name in files.names() if files.find(name).tuning])
def test_a_study_is_tuned_on_other_seeds_at_equally_many_rates_for_every_clip(name: str) -> None:
    study = files.find(name)
    tune = files.find(str(study.tuning))
    assert not {seed for grid in study.grids for seed in grid.seeds} & {s for grid in tune.grids for s in grid.seeds}
    tried = pd.DataFrame([asdict(trial) for trial in tune.trials()])
    assert tried.groupby(["task", "cell", "clip"])["lr"].nunique().nunique() == 1
    tuned = {(trial.task, trial.cell, trial.clip) for trial in tune.trials()}
    needed = {(t.task, t.cell, t.clip) for t in study.trials() if t.optimizer == "adam"}
    assert needed <= tuned


def test_a_budget_picks_seeds_from_the_ladder_and_says_so() -> None:
    study = files.find("quick").replaced(seeds=10)
    all_of_it = fitted(study, 1, 10_000)
    assert "10 of 10 seeds, to fit 10000 minutes" in all_of_it.title
    few = fitted(study, 2, 3.5)
    count = len(few.grids[0].seeds)
    assert count in (3, 5, 8)
    assert f"{count} of 10 seeds" in few.title
    assert {trial.key for trial in few.trials()} < {trial.key for trial in study.trials()}


def test_a_budget_that_fits_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"study quick with 3 seeds takes about .* minutes"):
        fitted(files.find("quick"), 1, 0.1)


def solves_near(peaks: dict[str, float]):
    """Return what stands in for training: seeds solve the sooner, the nearer the rate is to the clip's peak."""

    def train(study: Study, results: Path, how: RunOptions) -> Counter[Status]:
        with Store.open_for_writing(store_path(study.name, results)) as store:
            store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
            for trial in study.trials():
                distance = abs(math.log(trial.lr / peaks[trial.clip]))
                end = {"status": Status.UNSOLVED, "error": 0.1, "updates": 1000}
                if distance < 4:
                    at = 20 * (1 + int(10 * distance))
                    end = {"status": Status.SOLVED, "error": 0.001, "updates": at, "updates_to_solve": at}
                store.add(TrialResult(trial, **end), facts(trial))
        return Counter({Status.SOLVED: len(study.trials())})

    return train


def test_the_command_searches_until_every_best_rate_is_inside_and_writes_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(training, "train_study", solves_near({"none": 0.002, "norm:1": 0.5}))
    grid = '[[grids]]\ntask = "adding:length=20"\ncell = "gru"\nclip = ["none", "norm:1"]\n'
    (tmp_path / "rates.toml").write_text(f'title = "Rates"\n{grid}seeds = [100]\nlr = [0.01, 0.03]\n')
    mine = tmp_path / "mine.toml"
    head = f'title = "Mine"\ntuning = "{tmp_path / "rates.toml"}"\n'
    mine.write_text(f"{head}{tuning._BEGIN}\nrates = []\n{tuning._END}\n{grid}")
    done = CliRunner().invoke(main, ["tune", str(mine), "--write", "--results", str(tmp_path / "results")])
    assert done.exit_code == 0, done.output
    found = {one.trial.clip: (one.trial.lr, one.rate_basis) for one in files.read(mine).planned}
    assert found == {"none": (0.002, Basis.TUNED), "norm:1": (0.45, Basis.TUNED)}
    table = pd.read_csv(tmp_path / "results" / "rates" / "tables" / "rates.csv")
    assert set(table["lowest"]) == {0.0015}
    assert set(table["highest"]) == {0.67}
    again = files.read(mine).replaced(seeds=2)
    assert {one.facts["rate_basis"] for one in again.planned} == {"tuned"}
    assert {one.rate_basis for one in files.read(mine).replaced(lr=0.1).planned} == {Basis.GIVEN}


def test_a_basis_of_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    rate = '{ task = "adding", cell = "gru", lr = 0.1, basis = "tunned" }'
    path.write_text(f'title = "Mine"\nrates = [{rate}]\n[[grids]]\ntask = "adding"\ncell = "gru"\n')
    with pytest.raises(UsageError, match=r"rates 1: basis must be .*, not 'tunned'; did you mean tuned\?"):
        files.read(path)


def test_a_search_that_goes_on_for_long_adds_one_grid_a_round() -> None:
    study = adhoc("search", task=("adding:length=5",), cell=("rnn",), lr=(0.1,))
    group = tuning.Group("adding:length=5", "rnn", "adam")
    for rates in ((0.067,), (0.045,), (0.03,)):
        study = tuning.extended(study, {group: rates})
    assert [grid.lr for grid in study.grids] == [(0.1,), (0.067,), (0.045,), (0.03,)]
