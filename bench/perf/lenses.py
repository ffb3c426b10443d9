"""Part `lenses`: the CPU time that the lens reach adds to the study `quick`, which takes its frames by default.

The same trials are trained in this process with the lens and without it, to the same ends as in the study, so that
trials that solve early have as few frames as there.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from longlag.lens.support.watching import Watch
from longlag.perf.measure import Timing
from longlag.plan import files
from longlag.training.cohort import train
from longlag.values.trial import Trial

_COHORT = 8
LENS = "reach"


def measure(seeds: int, updates: int | None = None) -> Iterator[Timing]:
    """Yield for each task the CPU seconds of its trials with the lens against those without.

    Args:
        seeds: The number of seeds of each setting.
        updates: The budget of each trial; by default the study's.
    """
    for task, cohorts in cut(seeds, updates).items():
        for cohort in cohorts:
            _trained([replace(cohort[0], updates=1, eval_every=1)], (LENS,))  # compiled before
        spent = [(_cpu_seconds(cohort, (LENS,)), _cpu_seconds(cohort, ())) for cohort in cohorts]
        with_lens, without = (sum(column) for column in zip(*spent, strict=True))
        budget = "" if updates is None else f", {updates} updates"
        setting = f"{task}: {sum(map(len, cohorts))} trials of quick{budget}"
        yield Timing("lenses", LENS, setting, with_lens, without, "without it", (without / with_lens,))


def cut(seeds: int, updates: int | None) -> dict[str, list[list[Trial]]]:
    """Return cohorts of trials of `quick` by task."""
    alike: dict[tuple[str, Trial], list[Trial]] = defaultdict(list)
    for trial in files.find("quick").trials():
        if trial.seed < seeds:
            budget = trial.updates if updates is None else updates
            mine = replace(trial, updates=budget, eval_every=min(trial.eval_every, budget))
            alike[mine.task, replace(mine, seed=0, lr=1.0, clip="none")].append(mine)
    cohorts: dict[str, list[list[Trial]]] = defaultdict(list)
    for (task, _), trials in alike.items():
        cohorts[task] += [trials[start : start + _COHORT] for start in range(0, len(trials), _COHORT)]
    return cohorts


def _cpu_seconds(cohort: Sequence[Trial], lenses: Sequence[str]) -> float:
    started = time.process_time()
    _trained(cohort, lenses)
    return time.process_time() - started


def _trained(cohort: Sequence[Trial], lenses: Sequence[str]) -> None:
    watch = Watch(lenses)
    train(cohort, watch.with_frames(_ignore), {}, None, watch.look if lenses else None)


def _ignore(result: object) -> None:
    """Discard a result."""
