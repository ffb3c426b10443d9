"""A study made up, stored and accepted as its commands would: nothing is trained."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from longlag.cli import baselines, main, regression
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.process import provenance
from longlag.store.store import Store, store_path
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial, TrialResult

CELLS = ("gru", "lstm", "rnn")
USUAL = {"gru": 0.95, "lstm": 0.9, "rnn": 0.85}
SOURCE = provenance.source_hash()


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def outcome(trial: Trial, share: float, code: str = "a", source: str = SOURCE) -> TrialResult:
    """Make up what a trial comes to; ``code`` is what the fingerprint depends on."""
    generator = stream("made-up outcomes", trial.cell, trial.seed, code).generator()
    until = 20 * int(generator.integers(4, 12))
    curve = {"fingerprint": f"{code}{trial.seed:08x}", "wall_seconds": 1.0, "environment": {"source": source}}
    if generator.random() < share:
        return TrialResult(trial, Status.SOLVED, 0.001, 0.001, updates=until, updates_to_solve=until, **curve)
    return TrialResult(trial, Status.UNSOLVED, 0.5 + 0.1 * generator.random(), updates=trial.updates, **curve)


def study_of(seeds: int = 10, **options: object) -> Study:
    usual = {"task": "copy:items=1,symbols=2,blanks=1", "cell": CELLS, "clip": "norm:1", "lr": 0.01, "updates": 400}
    return adhoc("made", **(usual | {"eval_every": 20, "hidden_size": 4, "seeds": seeds} | options))


def as_file(**options: object) -> str:
    """Write `study_of` as a study file; other values of its grid may be given."""
    grid = {"task": "copy:items=1,symbols=2,blanks=1", "cell": list(CELLS), "clip": "norm:1", "lr": 0.01}
    grid |= {"updates": 400, "eval_every": 20, "hidden_size": 4, "seeds": list(range(10))} | options
    return 'title = "Made"\n[[grids]]\n' + "".join(f"{key} = {json.dumps(value)}\n" for key, value in grid.items())


def put(study: Study, results: Path, shares: dict[str, float], code: str = "a", source: str = SOURCE) -> None:
    """Store a study as a run would."""
    with Store.open_for_writing(store_path(study.name, results)) as store:
        store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
        for trial in study.trials():
            store.add(outcome(trial, shares[trial.cell], code, source), facts(trial))


def accepted_study(results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Accept a study of 60 seeds; no check of it looks at invariants or starts a process to measure memory."""
    monkeypatch.setattr(regression, "_invariants", lambda entries: ())
    monkeypatch.setattr(baselines, "measured", lambda entries, workers: entries)
    put(study_of(60), results, USUAL)
    done = call("baseline", "accept", "made", "--reason", "first", "--results", str(results))
    assert done.exit_code == 0, done.output
    return results


def check(results: Path, *args: str) -> Result:
    return call("check", "made", "--results", str(results), *args)


def refused(done: Result, code: int, message: str) -> None:
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
