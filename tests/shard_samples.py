"""A small study whose trials end at once, as a run would end them, and the shards that are made of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sample_results import measurement

from longlag.cli import main, training
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.process import provenance
from longlag.run import run as running
from longlag.shards.header import Header, Share
from longlag.shards.writing import ShardWriter
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial, TrialResult

GRID = ["--task", "copy:items=1,symbols=2,blanks=2", "--cell", "rnn", "--cell", "gru", "--clip", "none"]
GRID += ["--clip", "norm:1", "--seeds", "3", "--updates", "10", "--eval-every", "5", "--hidden-size", "4"]
MADE_HERE = {"source": provenance.source_hash(), "processor": "znver3", "cpu_capability": "AVX2"}


def small(**options: object) -> Study:
    """Return the study of `GRID`: twelve trials."""
    usual = {"task": "copy:items=1,symbols=2,blanks=2", "cell": ("rnn", "gru"), "clip": ("none", "norm:1")}
    return adhoc("small", **(usual | {"seeds": 3, "updates": 10, "eval_every": 5, "hidden_size": 4} | options))


def ended(trial: Trial, **changes: object) -> TrialResult:
    """Make up what a trial comes to: the same every time, but for how long it took."""
    drawn = stream("made-up shards", trial.cell, trial.clip, trial.seed).generator()
    curve = tuple(measurement(update, float(drawn.random())) for update in (0, 5, 10))
    usual = {"error": curve[-1].error, "updates": 10, "measurements": curve, "environment": MADE_HERE}
    ended.count += 1
    return TrialResult(trial, Status.UNSOLVED, **(usual | {"wall_seconds": float(ended.count)} | changes))


ended.count = 0


class Engine:
    """Stands in for the engine: ends every trial at once."""

    def __init__(self, workers, timeout_seconds, train):
        pass

    def run(self, cohorts):
        for trial in (trial for cohort in cohorts for trial in cohort):
            yield ended(trial)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train nothing and draw nothing."""
    monkeypatch.setattr(running, "LocalEngine", Engine)
    monkeypatch.setattr(training, "write_reports", lambda *_: None)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(results: Path, *more: object) -> Result:
    """Run the small study with the command."""
    done = call("run", *GRID, "--name", "small", "--results", results, "--workers", 1, *more)
    assert done.exit_code == 0, done.output
    return done


def exports(results: Path) -> list[bytes]:
    """Return the rows and the curves of the small study as they are exported."""
    done = [call("export", "small", *kind, "--results", results) for kind in ((), ("--curves",))]
    assert all(one.exit_code == 0 for one in done)
    return [one.stdout_bytes for one in done]


def write_shard(path: Path, results: Sequence[TrialResult], study: Study | None = None, share: str = "1/1") -> Path:
    """Write a shard of the small study, or of another."""
    header = Header.of(study or small(), ["longlag", "run", "small"], Share.read(share))
    with ShardWriter.open(path, header) as shard:
        for result in results:
            shard.add(result, facts(result.trial))
    return path


def refused(done: Result, code: int, *messages: str) -> None:
    """See that a command ended with one line that holds some texts."""
    assert done.exit_code == code, done.output
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    for message in messages:
        assert message in done.stderr
