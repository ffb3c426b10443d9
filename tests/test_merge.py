"""Shards are made, lost, damaged and merged; what is stored depends on what they hold, and on nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sample_results import diverged
from shard_samples import (
    MADE_HERE,
    at_once,  # noqa: F401 - a fixture
    call,
    ended,
    exports,
    refused,
    run,
    small,
    write_shard,
)

from longlag.plan.trials import facts
from longlag.shards import lines
from longlag.shards.file import read_lines, trial_line
from longlag.shards.header import Header
from longlag.store.store import Store, store_path
from longlag.values.trial import Status

pytestmark = pytest.mark.usefixtures("nothing_drawn")

TRIALS = small().trials()
ELSEWHERE = MADE_HERE | {"processor": "skylake-avx512"}


def stored(results: Path) -> dict[str, float | None]:
    """Return the errors of the stored rows, by key."""
    with Store.open_for_reading(store_path("small", results)) as store:
        return {row["key"]: row["error"] for row in store.trials()}


@pytest.mark.usefixtures("at_once")
def test_shares_merged_in_any_order_give_the_bytes_of_one_run(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole)
    for number in range(1, 6):
        run(parts, "--shard", f"{number}/5")
    made = sorted((parts / "small/shards").glob("*.jsonl"))
    assert [path.name for path in made] == [f"{number}-of-5.jsonl" for number in range(1, 6)]
    assert not store_path("small", parts).exists()
    for place, order in enumerate((made, made[::-1])):
        done = call("merge", "small", *order, "--results", tmp_path / str(place))
        assert (done.exit_code, done.output) == (0, "study small: 12 of 12 trials have results, 12 rows are new\n")
        assert exports(tmp_path / str(place)) == exports(whole)
    with Store.open_for_reading(store_path("small", tmp_path / "0")) as store:
        before = store.trials()
    again = call("merge", "small", *made, made[0], parts / "small/shards", "--results", tmp_path / "0")
    assert again.output == "study small: 12 of 12 trials have results, 0 rows are new\n"
    with Store.open_for_reading(store_path("small", tmp_path / "0")) as store:
        assert store.trials() == before


@pytest.mark.usefixtures("at_once")
def test_one_shard_after_the_other_gives_the_same_as_all_at_once(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run(tmp_path, "--shard", f"{number}/3")
    made = sorted((tmp_path / "small/shards").glob("*.jsonl"))
    found = []
    for place, order in enumerate((made, [made[2], *made[:2]])):
        results = tmp_path / str(place)
        codes = [call("merge", "small", path, "--results", results).exit_code for path in order]
        assert codes == [3, 3, 0]
        found.append(exports(results))
    assert all(one == found[0] for one in found)


def conflicting(tmp_path: Path) -> tuple[Path, Path]:
    """Return two shards with other numbers for the first trial."""
    one = write_shard(tmp_path / "a.jsonl", [ended(trial) for trial in TRIALS[:2]])
    other = write_shard(tmp_path / "b.jsonl", [ended(TRIALS[0], error=0.125), *map(ended, TRIALS[1:3])])
    return one, other


def test_several_results_of_a_trial_are_set_aside_whatever_came_first(tmp_path: Path) -> None:
    one, other = conflicting(tmp_path)
    ways = [[(one, other)], [(other, one)], [(one,), (other,)], [(other,), (one,)], [(one, other), (one,)]]
    found = []
    for place, way in enumerate(ways):
        results = tmp_path / str(place)
        for shards in way:
            done = call("merge", "small", *shards, "--results", results)
        assert done.exit_code == 1
        assert f"1 trial has several results, such as {TRIALS[0].key}; none is stored" in done.stderr
        assert set(stored(results)) == {trial.key for trial in TRIALS[1:3]}
        aside = results / "small/conflicts.jsonl"
        assert sorted(line.result.error for line in read_lines(aside)) == sorted([0.125, ended(TRIALS[0]).error])
        found.append(([line.result for line in read_lines(aside)], exports(results)))
    assert all(one == found[0] for one in found)
    (results / "small/conflicts.jsonl").unlink()
    assert call("merge", "small", one, "--results", results).exit_code == 3
    assert stored(results)[TRIALS[0].key] == ended(TRIALS[0]).error


def test_a_stored_row_is_one_of_the_results(tmp_path: Path) -> None:
    one, other = conflicting(tmp_path)
    assert call("merge", "small", one, "--results", tmp_path).exit_code == 3
    stored_first = stored(tmp_path)
    assert call("merge", "small", other, "--results", tmp_path).exit_code == 1
    assert stored_first.keys() - stored(tmp_path).keys() == {TRIALS[0].key}


def test_equal_numbers_of_other_times_and_machines_are_one_result(tmp_path: Path) -> None:
    one = write_shard(tmp_path / "a.jsonl", [ended(TRIALS[0])])
    other = write_shard(tmp_path / "b.jsonl", [ended(TRIALS[0], environment=ELSEWHERE)])
    found = []
    for place, order in enumerate(((one, other), (other, one))):
        for path in order:
            assert call("merge", "small", path, "--results", tmp_path / str(place)).exit_code == 3
        with Store.open_for_reading(store_path("small", tmp_path / str(place))) as store:
            found.append(store.trials())
    assert found[0] == found[1]


def test_the_present_source_replaces_what_other_source_made(tmp_path: Path) -> None:
    old = write_shard(tmp_path / "a.jsonl", [ended(TRIALS[0], error=0.75, environment={"source": "old"})])
    new = write_shard(tmp_path / "b.jsonl", [ended(TRIALS[0], error=0.25)])
    for place, order in enumerate(((old, new), (new, old))):
        for path in order:
            assert call("merge", "small", path, "--results", tmp_path / str(place)).exit_code == 3
        assert stored(tmp_path / str(place)) == {TRIALS[0].key: 0.25}


def test_a_conflict_ends_with_the_result_of_the_present_source(tmp_path: Path) -> None:
    olds = [ended(TRIALS[0], error=error, environment={"source": "old"}) for error in (0.5, 0.75)]
    made = [write_shard(tmp_path / f"{place}.jsonl", [one]) for place, one in enumerate(olds)]
    assert call("merge", "small", *made, "--results", tmp_path).exit_code == 1
    new = write_shard(tmp_path / "new.jsonl", [ended(TRIALS[0], error=0.25)])
    assert call("merge", "small", new, "--results", tmp_path).exit_code == 3
    assert stored(tmp_path) == {TRIALS[0].key: 0.25}
    assert not (tmp_path / "small/conflicts.jsonl").exists()


def test_a_result_is_preferred_to_a_failure(tmp_path: Path) -> None:
    failed = replace(ended(TRIALS[0]), status=Status.FAILED, reason="it broke")
    lost = write_shard(tmp_path / "a.jsonl", [failed])
    done = call("merge", "small", lost, "--results", tmp_path)
    assert done.exit_code == 3
    assert "missing   12 trials, 1 of them failed or timed out, such as" in done.stdout
    found = write_shard(tmp_path / "b.jsonl", [ended(TRIALS[0])])
    for order in ((found, lost), (lost, found)):
        assert call("merge", "small", *order, "--results", tmp_path).exit_code == 3
        assert stored(tmp_path) == {TRIALS[0].key: ended(TRIALS[0]).error}


def test_numbers_that_are_not_finite_are_the_same_result_when_they_are_merged_again(tmp_path: Path) -> None:
    lost = replace(diverged(0), trial=TRIALS[0], environment=MADE_HERE)
    path = write_shard(tmp_path / "a.jsonl", [lost])
    for rows in (1, 0):
        done = call("merge", "small", path, "--results", tmp_path)
        assert done.exit_code == 3
        assert f"1 of 12 trials have results, {rows} rows are new" in done.stdout
    with Store.open_for_writing(store_path("small", tmp_path / "run")) as store:
        store.write_plan("Ad-hoc study", [(planned.trial, planned.facts) for planned in small().planned])
        store.add(lost, facts(lost.trial))
    assert exports(tmp_path) == exports(tmp_path / "run")


def test_a_damaged_line_costs_its_trial_and_says_so(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.jsonl", [ended(trial) for trial in TRIALS[:3]])
    content = bytearray(path.read_bytes())
    content[content.index(b'"loss"') + 1] ^= 4
    path.write_bytes(content)
    done = call("merge", "small", path, "--results", tmp_path)
    assert done.exit_code == 3
    assert f"{path} line 2 is left out: its checksum does not match" in done.stderr
    assert set(stored(tmp_path)) == {trial.key for trial in TRIALS[1:3]}


def test_processors_are_told_and_can_be_required_to_be_one(tmp_path: Path) -> None:
    here = write_shard(tmp_path / "a.jsonl", [ended(trial) for trial in TRIALS[:4]])
    other = write_shard(tmp_path / "b.jsonl", [ended(trial, environment=ELSEWHERE) for trial in TRIALS[4:]])
    done = call("merge", "small", here, other, "--require-same-processor", "--results", tmp_path)
    refused(done, 2, "2 types of processor made these results: skylake-avx512 AVX2 (8 trials), znver3 AVX2 (4 trials)")
    assert not (tmp_path / "small").exists()
    assert call("merge", "small", here, "--require-same-processor", "--results", tmp_path).exit_code == 3
    refused(call("merge", "small", other, "--require-same-processor", "--results", tmp_path), 2, "2 types of processor")
    assert len(stored(tmp_path)) == 4
    done = call("merge", "small", other, "--results", tmp_path)
    assert "mixed processors: skylake-avx512 AVX2 8, znver3 AVX2 4; between them" in done.stdout
    shown = " ".join(call("show", "small", "--results", tmp_path).stdout.split())
    assert "Mixed processors made these trials (skylake-avx512 AVX2 8, znver3 AVX2 4): on another the same" in shown
    held = json.loads(call("show", "small", "--json", "--results", tmp_path).stdout)
    marked = {(row["cell"], row["clip"]): row["mixed_processors"] for row in held["settings"]}
    assert marked == {("rnn", "none"): False, ("rnn", "norm:1"): True, ("gru", "none"): False, ("gru", "norm:1"): False}


def test_shards_of_other_things_are_refused_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    good = write_shard(tmp_path / "good.jsonl", [ended(TRIALS[0])])
    other = write_shard(tmp_path / "other.jsonl", [ended(TRIALS[0])], replace(small(), name="other"))
    larger = write_shard(tmp_path / "larger.jsonl", [ended(TRIALS[0])], small(seeds=5))
    newer, damaged, table = (tmp_path / name for name in ("newer.jsonl", "damaged.jsonl", "table.jsonl"))
    newer.write_bytes(lines.written(Header.of(small()).line | {"shard": 2}))
    damaged.write_bytes(good.read_bytes().replace(b"plan", b"plam", 1))
    table.write_text("key,study\n")
    for shards, code, message in (
        ((other,), 2, "belongs to study other, not small"),
        ((good, larger), 2, "belongs to another plan of study small than"),
        ((newer,), 4, "was written by a newer longlag (shard format 2, this one knows 1)"),
        ((good, damaged), 4, "its first line is damaged: its checksum does not match"),
        ((good, table), 4, "is not a shard of longlag"),
        ((tmp_path / "none.jsonl",), 2, "there is no shard"),
        ((Path("/dev/zero"),), 2, "there is no shard"),
        ((), 2, "there are no shards in"),
    ):
        for command in ("merge", "status"):
            refused(call(command, "small", *shards, "--results", tmp_path / "results"), code, message)
    refused(call("merge", "../small", good), 2, "'../small' cannot name a study")
    assert not (tmp_path / "results").exists()


def test_a_study_file_must_be_the_study_of_the_shards(tmp_path: Path) -> None:
    text = 'title = "t"\n[[grids]]\ntask = "copy:items=1,symbols=2,blanks=2"\ncell = ["rnn", "gru"]\n'
    text += 'clip = ["none", "norm:1"]\nlr = 0.003\nupdates = 10\neval_every = 5\nhidden_size = 4\n'
    good = write_shard(tmp_path / "good.jsonl", [ended(TRIALS[0])])
    (tmp_path / "small.toml").write_text(text)
    assert call("merge", tmp_path / "small.toml", good, "--results", tmp_path).exit_code == 3
    (tmp_path / "small.toml").write_text(text + "seeds = 9\n")
    done = call("merge", tmp_path / "small.toml", good, "--results", tmp_path)
    refused(done, 2, "belongs to another plan of study small than", "small.toml")


def test_lines_that_a_stranger_wrote_are_left_out_whatever_they_say(tmp_path: Path) -> None:
    right = json.loads(lines.written({"a": trial_line(ended(TRIALS[0]), {}).decode()}))
    right = {name: value for name, value in json.loads(right["a"]).items() if name != "sha256"}
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    changes: list[dict[str, object]] = [
        {"key": "../../evil"}, {"result": None}, {"result": []}, {"result": {"status": "solved"}},
        *({"result": right["result"] | change} for change in (
            {"status": "won"}, {"status": []}, {"updates": "many"}, {"updates": 2**70}, {"updates": True},
            {"error": "x"}, {"measurements": [{"update": 1}]}, {"measurements": {}}, {"example": {"a": "b"}},
            {"reason": "\ud800"}, {"environment": {"cpu": "\ud800"}}, {"environment": []},
            {"environment": {"source": {}}}, {"environment": {"loaded_later": {"a": 3}}}, {"trial": {}},
            {"path": 3}, {"other": 1},
            {"trial": right["result"]["trial"] | {"seed": 99}}, {"trial": right["result"]["trial"] | {"lr": "0.1"}},
            {"environment": {"deep": deep}}, {"transfer": [3]},
        )),
    ]  # fmt: skip
    path = write_shard(tmp_path / "a.jsonl", [ended(TRIALS[1])])
    path.write_bytes(path.read_bytes() + b"".join(lines.written(right | change) for change in changes))
    done = call("merge", "small", path, "--results", tmp_path / "results")
    assert done.exit_code == 3, done.output
    told = done.stderr.count(" is left out: ")
    assert f"a.jsonl: {len(changes) - told} more lines are left out\n" in done.stderr
    assert set(stored(tmp_path / "results")) <= {trial.key for trial in TRIALS[:2]}
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "a.lock", "results"}
