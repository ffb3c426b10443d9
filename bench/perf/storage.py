"""Part `storage`: times planning, storing, resuming and reporting of large studies with made-up results."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from longlag.perf.measure import Timing
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.report.figures.all import draw_figures
from longlag.report.text.files import write_tables
from longlag.run.plan import make_plan
from longlag.store.results import load_study
from longlag.store.store import Store, store_path
from longlag.values.trial import Measurement, Status, Trial, TrialResult

_SETTINGS_A_SEED = 40
_POINTS = 11
_BATCH = 500


def large(count: int) -> Study:
    """Return a study of about ``count`` trials: two tasks, five cells, four clips, many seeds."""
    return adhoc(
        "large",
        task=("copy:items=3,blanks=10", "adding:length=50"),
        cell=("rnn", "rnn:init=orthogonal", "rnn:nonlinearity=relu,init=identity", "lstm", "gru"),
        clip=("none", "norm:1", "norm:10", "value:0.1"),
        seeds=count // _SETTINGS_A_SEED,
    )


def invented(trial: Trial) -> TrialResult:
    """Return a made-up result for a trial, which depends on its key alone."""
    drawn = int(trial.key, 16)
    solved = drawn % 3 == 0
    end = 100 + drawn % 10 * 100
    errors = [0.5 / (1 + (drawn % 7) * point) for point in range(_POINTS)]
    curve = tuple(
        Measurement(end * point // (_POINTS - 1), error, error, error, 1.0, 2.0, 0.5, 6.0)
        for point, error in enumerate(errors)
    )
    return TrialResult(
        trial,
        Status.SOLVED if solved else Status.UNSOLVED,
        error=errors[-1],
        updates=end,
        updates_to_solve=end - 100 if solved else None,
        grad_norm_median=1.0,
        grad_norm_max=2.0,
        clipped_fraction=0.5,
        num_parameters=1000,
        measurements=curve,
        wall_seconds=1.0,
    )


def measure(count: int) -> Iterator[Timing]:
    """Yield the seconds of each step with ``count`` stored trials."""
    study = large(count)
    setting = f"{count} trials"
    folder = Path(tempfile.mkdtemp())
    try:
        yield _timed("plan", setting, lambda: make_plan(study, folder))
        yield _timed("store", setting, lambda: _fill(study, folder))
        yield _timed("resume", setting, lambda: make_plan(study, folder).cohorts())
        yield _timed("load", setting, lambda: load_study("large", folder))
        data = load_study("large", folder)
        # Each report gets its own copy of the study: reports cache by study, and no timing should profit from another.
        yield _timed("tables", setting, lambda: write_tables(replace(data), folder))
        yield _timed("figures", setting, lambda: draw_figures(replace(data), folder))
    finally:
        shutil.rmtree(folder)


def _fill(study: Study, folder: Path) -> None:
    trials = study.trials()
    with Store.open_for_writing(store_path("large", folder)) as store:
        store.write_plan(study.title, [(trial, facts(trial)) for trial in trials])
        for place, trial in enumerate(trials, 1):
            store.add(invented(trial), facts(trial))
            if place % _BATCH == 0:
                store.flush()


def _timed(what: str, setting: str, call: object) -> Timing:
    started = time.perf_counter()
    call()  # type: ignore[operator]
    return Timing("storage", what, setting, time.perf_counter() - started)
