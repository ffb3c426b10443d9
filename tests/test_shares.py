"""Shares of a study are trained, stopped, shown and asked for again; what they come to is the study."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from shard_samples import (
    GRID,
    Engine,
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
from longlag.run.costs import expected_seconds
from longlag.run.plan import Retrain
from longlag.run.shard import plan_shard, shard_path
from longlag.run.shares import shares
from longlag.shards.file import read_lines
from longlag.shards.header import Header, Share
from longlag.shards.writing import ShardWriter
from longlag.store.store import store_path
from longlag.values.trial import Status

TRIALS = small().trials()


def test_shares_are_the_study_whatever_their_number_and_cost_about_the_same() -> None:
    trials = small(cell=("rnn", "gru", "lstm"), task=("copy:items=1,blanks=2", "adding:length=90"), seeds=20).trials()
    costs = {trial: expected_seconds(trial) for trial in trials}
    for count in (1, 2, 7, 64, 241):
        dealt = shares(trials, count)
        assert sorted(trial.key for share in dealt for trial in share) == sorted(trial.key for trial in trials)
        sums = [sum(costs[trial] for trial in share) for share in dealt]
        mean = sum(sums) / count
        assert max(sums) - min(sums) <= max(mean / 8, max(costs.values())) * 1.001
        assert dealt == shares(trials, count)


@pytest.mark.usefixtures("at_once")
def test_a_shard_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Engine):
        def run(self, cohorts):
            arriving = super().run(cohorts)
            yield next(arriving)
            yield next(arriving)
            raise KeyboardInterrupt

    whole, path = tmp_path / "whole", tmp_path / "small/shards/1-of-2.jsonl"
    run(whole, "--shard", "1/2")
    with monkeypatch.context() as patch:
        patch.setattr("longlag.run.run.LocalEngine", Interrupted)
        done = call("run", *GRID, "--name", "small", "--results", tmp_path, "--workers", 1, "--shard", "1/2")
    assert done.exit_code == 130
    assert "2 of 6 trials were finished and are kept: the same command resumes" in done.stderr
    assert len(list(read_lines(path))) == 2
    assert "6 trials, 2 stored, 4 to train" in run(tmp_path, "--shard", "1/2").stderr
    assert len(list(read_lines(path))) == 6
    for results in (tmp_path, whole):
        assert call("merge", "small", "--results", results).exit_code == 3
    assert exports(tmp_path) == exports(whole)


@pytest.mark.usefixtures("at_once")
def test_what_is_missing_is_named_with_the_commands_that_train_it(tmp_path: Path) -> None:
    run(tmp_path, "--shard", "2/3")
    for command, code in (("status", 0), ("merge", 3)):
        done = call(command, "small", "--results", tmp_path)
        assert done.exit_code == code
        assert "missing   8 trials, such as" in done.output
        for number in (1, 3):
            assert (
                " --name small --workers 1 --task copy:items=1,symbols=2,blanks=2 --cell rnn --cell gru " in done.output
            )
            assert f" --results {tmp_path} --shard {number}/3  # 4 trials\n" in done.output
        assert "--shard 2/3" not in done.output
    said = next(line for line in done.output.splitlines() if "--shard 1/3" in line).split("  #")[0].split()
    assert call(*said[1:]).exit_code == 0
    assert call(*(word.replace("1/3", "3/3") for word in said[1:])).exit_code == 0
    assert call("merge", "small", "--results", tmp_path).exit_code == 0


@pytest.mark.usefixtures("at_once")
def test_status_shows_each_shard_and_all_together(tmp_path: Path) -> None:
    run(tmp_path, "--shard", "2/3")
    path = write_shard(tmp_path / "small/shards/1-of-3.jsonl", [replace(ended(TRIALS[0]), status=Status.FAILED)])
    path.write_bytes(path.read_bytes() + b"nonsense\n" + b"cut off")
    (tmp_path / "small/shards/3-of-3.jsonl").touch()
    done = call("status", "small", "--results", tmp_path)
    assert done.exit_code == 0
    assert "1-of-3.jsonl: 0 of 12 trials, 1 failed, 1 damaged" in done.stdout
    assert "2-of-3.jsonl: 4 of 4 trials\n" in done.stdout
    assert "together  4 of 12 trials, " in done.stdout
    assert "3-of-3.jsonl holds nothing yet: its first line was cut off" in done.stderr
    assert "1-of-3.jsonl line 3 is left out: its checksum does not match" in done.stderr
    assert not store_path("small", tmp_path).exists()


def test_what_fails_in_three_runs_of_a_share_is_skipped_until_it_is_retried(tmp_path: Path) -> None:
    study, first = small(), shares(small().trials(), 2)[0]
    failed = replace(ended(first[0]), status=Status.FAILED, reason="it broke")
    path = shard_path("small", tmp_path, Share(1, 2))
    for runs in range(1, 4):
        write_shard(path, [failed], share="1/2")
        plan = plan_shard(study, tmp_path, Share(1, 2), Retrain())
        assert (first[0] in plan.missing, plan.skipped) == ((True, ()) if runs < 3 else (False, (first[0],)))
    assert first[0] in plan_shard(study, tmp_path, Share(1, 2), Retrain(retry=True)).missing
    told = call("status", "small", "--results", tmp_path).stdout
    assert f"0 of {len(first)} trials, 1 failed, 1 of them in 3 runs and skipped until --retry" in told
    with ShardWriter.open(path, Header.of(study, (), Share(1, 2))) as shard:
        assert shard.runs_failed[first[0].key] == 3
        shard.add(ended(first[0]), facts(first[0]))
        shard.flush()
        assert not shard.runs_failed


def test_a_folder_that_leads_elsewhere_takes_no_shard(tmp_path: Path, at_once: None) -> None:  # noqa: F811
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results/small").mkdir(parents=True)
    (tmp_path / "results/small/shards").symlink_to(tmp_path / "elsewhere")
    done = call("run", *GRID, "--name", "small", "--shard", "1/2", "--results", tmp_path / "results")
    refused(done, 4, "shards leads out of")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.usefixtures("at_once")
def test_bad_options_of_a_share_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for more, message in (
        (("--shard", "0/4"), "--shard must be NUMBER/COUNT"),
        (("--shard", "5/4"), "not '5/4'"),
        (("--shard", "x"), "not 'x'"),
        (("--shard", "1/4", "--spool", tmp_path / "spool"), "--shard cannot go with --spool"),
        (("--shard", "1/4", "--budget-minutes", "5"), "--shard cannot go with --budget-minutes"),
    ):
        refused(call("run", *GRID, "--name", "small", "--results", tmp_path, *more), 2, message)
    (tmp_path / "file").touch()
    done = call("run", *GRID, "--name", "small", "--results", tmp_path, "--spool", tmp_path / "file/spool")
    refused(done, 4, "spool", "cannot be written: Not a directory")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_shard_killed_again_and_again_and_a_lost_coordinator_give_the_bytes_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longlag.cli.training.write_reports", lambda *_: None)
    whole, parts, lost = (tmp_path / name for name in ("whole", "parts", "lost"))
    run(whole)
    command = [sys.executable, "-m", "longlag", "run", *GRID, "--name", "small", "--workers", "2"]
    for results, more, place in (
        (parts, ["--shard", "1/2"], parts / "small/shards"),
        (lost, ["--spool", str(lost / "spool")], lost / "spool"),
    ):
        for _ in range(3):
            before = held_in(place)
            process = subprocess.Popen([*command, "--results", str(results), *more], stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 240
            while held_in(place) <= before and process.poll() is None:
                assert time.monotonic() < deadline, "no trial was finished in time"
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert held_in(place) > 0
    for number in (1, 2):
        run(parts, "--shard", f"{number}/2")
    assert call("merge", "small", "--results", parts).exit_code == 0
    assert call("merge", "small", lost / "spool", "--results", lost).exit_code in (0, 3)
    run(lost)
    assert exports(parts) == exports(lost) == exports(whole)


def held_in(folder: Path) -> int:
    """Count the trials in the shards of a folder that have a first line."""
    whole = [path for path in folder.glob("*.jsonl") if b"\n" in path.read_bytes()]
    return len({line.result.trial for path in whole for line in read_lines(path) if line.result})
