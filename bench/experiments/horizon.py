"""Horizons: climbs a ladder of distances until no seed solves, for a fit of the distance that half of the seeds solve.

A rung is a distance of a task. On each, every setting (cell and clip) first tries the same learning rates on tuning
seeds, if several are given; the best is trained on the reported seeds. A setting stops climbing after two rungs in a
row on which no seed solves: one such rung may be chance if few seeds learn at all. Everything is an ordinary study,
stored and resumed like any other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from longlag import registry
from longlag.experiments import tuning
from longlag.plan.dial import neighbours, without_dial
from longlag.plan.grid import Grid, option_label
from longlag.plan.study import Study
from longlag.store import results
from longlag.tasks.base import Task
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import spell

TUNING_SEEDS = (1000, 1001, 1002)
FIRST_LAG = 8.0
LAST_LAG = 1024.0
STEP = 2**0.5
EMPTY_RUNGS = 2
"""The number of rungs in a row on which no seed solves that ends a climb."""


@dataclass(frozen=True)
class Climb:
    """The settings for which horizons are measured. Specs are shortened, as trials hold them.

    Attributes:
        name: The study that holds the trials.
        tasks: Specs of tasks, whose dials are changed; their other options stay.
        cells: Specs of cells.
        clips: Specs of clips.
        rates: Learning rates, each tried on `TUNING_SEEDS` at every rung; a single one is used without tuning.
        seeds: The reported seeds are 0 to ``seeds`` - 1.
        longest: The largest `min_lag` of a rung.
        options: Further keys of a grid: updates, hidden size, optimizer.
    """

    name: str
    tasks: tuple[str, ...]
    cells: tuple[str, ...]
    clips: tuple[str, ...]
    rates: tuple[float, ...]
    seeds: int
    longest: float = LAST_LAG
    options: dict[str, object] = field(default_factory=dict)

    @property
    def chooses(self) -> bool:
        """Whether there are several rates to choose from."""
        return len(self.rates) > 1

    def __post_init__(self) -> None:
        if self.seeds > TUNING_SEEDS[0]:
            raise UsageError(f"--seeds must be at most {TUNING_SEEDS[0]}: the seeds after that choose the rates")
        if not 0 < self.longest < math.inf:
            raise UsageError(f"--longest must be a finite number above 0, not {self.longest:g}")
        for axis, read in (("cells", registry.cell), ("clips", registry.clip)):
            object.__setattr__(self, axis, _once([read(spec).spec for spec in getattr(self, axis)], axis[:-1]))
        _once([_without_dial(registry.task(spec)) for spec in self.tasks], "task, apart from its distance,")


def _once(specs: list[str], what: str) -> tuple[str, ...]:
    for spec in specs:
        if specs.count(spec) > 1:
            raise UsageError(f"{what} {spec!r} is given twice")
    return tuple(specs)


def _without_dial(task: Task) -> str:
    """Return a task's name and all options but its dial: equal for tasks with the same ladder."""
    kept = [f"{name}={spell(value)}" for name, value in task.changed().items() if name != task.dial]
    return ":".join(filter(None, [task.name(), ",".join(kept)]))


@registry.forgetful
@cache
def rungs(spec: str, longest: float = LAST_LAG) -> tuple[Task, ...]:
    """Return a task at distances whose `min_lag` grows by about `STEP` a rung, from `FIRST_LAG` to ``longest``.

    >>> [task.min_lag for task in rungs("adding", longest=40)]
    [8, 11, 16, 23, 32]

    Raises:
        UsageError: The task has no dial or no distance in that range, or it is a plugin whose `min_lag` raised or took
            too long.
    """
    task = registry.task(spec)
    if not task.dial:
        raise UsageError(without_dial(task))
    by_lag: dict[int, Task] = {}
    min_lag = cache(lambda turned: turned.min_lag)  # the searches for neighbouring rungs visit the same settings
    target = FIRST_LAG
    while target <= longest * 1.001:
        try:
            with registry.blamed("task", task.name()):
                turned = nearest(task, target, min_lag)
        except UsageError as error:
            raise UsageError(f"{error}, when asked for a min_lag of {target:.0f}; --longest ends the ladder") from None
        if turned is not None and min_lag(turned) <= longest:
            by_lag.setdefault(min_lag(turned), turned)
        target *= STEP
    if not by_lag:
        raise UsageError(f"task {spec} has no distance with a min_lag from {FIRST_LAG:g} to {longest:g}")
    return tuple(by_lag[lag] for lag in sorted(by_lag))


def nearest(task: Task, target: float, min_lag: Callable[[Task], int]) -> Task | None:
    """Return the task at the setting of its dial whose ``min_lag`` is nearest to the target.

    None if no setting is within a factor of `STEP` of it, for instance beyond the end of the dial.
    """
    candidates = neighbours(task, lambda turned: min_lag(turned) >= target)
    near = [turned for turned in candidates if target / STEP < min_lag(turned) < target * STEP]
    return min(near, key=lambda turned: abs(min_lag(turned) / target - 1), default=None)


def first_study(climb: Climb) -> Study:
    """Return the study of the first rung's tuning trials; making it checks specs and options."""
    firsts = [rungs(spec, climb.longest)[0] for spec in climb.tasks]
    return _study(climb, [_tuning_grid(climb, task, climb.cells, climb.clips) for task in firsts])


def whole_ladder(climb: Climb) -> Study:
    """Return the study of all trials of a climb to its last rung, with the first rate in place of a chosen one."""
    every = [task for spec in climb.tasks for task in rungs(spec, climb.longest)]
    tuned = [_tuning_grid(climb, task, climb.cells, climb.clips) for task in every]
    reported = [grid.changed(lr=climb.rates[:1], seeds=tuple(range(climb.seeds))) for grid in tuned]
    return _study(climb, [*(tuned if climb.chooses else ()), *reported])


def run(climb: Climb, folder: Path, train: Callable[[Study], object]) -> pd.DataFrame:
    """Climb with every setting and return one row per rung and setting.

    Args:
        climb: The settings to measure.
        folder: The results folder.
        train: Trains the missing trials of a study into the folder.

    Returns:
        ``task`` (as the climb names it), ``rung`` (the task's spec at that distance), ``cell``, ``clip``, ``lag``
        (its `min_lag`), ``lr``, ``budget_updates``, ``solved``, ``n``, ``state_size``.
    """
    grids: list[Grid] = []
    rows: list[dict[str, object]] = []
    still = {(spec, cell, clip): EMPTY_RUNGS for spec in climb.tasks for cell in climb.cells for clip in climb.clips}
    ladders = {spec: rungs(spec, climb.longest) for spec in climb.tasks}
    for place in range(max(len(ladder) for ladder in ladders.values())):
        here = {spec: ladder[place] for spec, ladder in ladders.items() if place < len(ladder)}
        climbing = [(here[spec], spec, cell, clip) for spec, cell, clip in sorted(still) if spec in here]
        if not climbing:
            break
        rates = dict.fromkeys(((task.spec, cell, clip) for task, _, cell, clip in climbing), climb.rates[0])
        if climb.chooses:
            grids += [_tuning_grid(climb, task, (cell,), (clip,)) for task, _, cell, clip in climbing]
            train(_study(climb, grids))
            chosen = tuning.choose(_tuning_rows(results.load(climb.name, folder), {task.spec for task, *_ in climbing}))
            rates = {(row["task"], row["cell"], row["clip"]): row["lr"] for row in chosen.to_dict("records")}
        grids += [
            _tuning_grid(climb, task, (cell,), (clip,)).changed(
                lr=(rates[task.spec, cell, clip],),
                seeds=tuple(range(climb.seeds)),
            )
            for task, _, cell, clip in climbing
        ]
        train(_study(climb, grids))
        trials = results.load(climb.name, folder)
        for task, spec, cell, clip in climbing:
            rows.append(_rung(trials, task, spec, cell, clip, rates[task.spec, cell, clip]))
            setting = (spec, cell, clip)
            still[setting] = EMPTY_RUNGS if rows[-1]["solved"] else still[setting] - 1
        still = {setting: left for setting, left in still.items() if left}
    return pd.DataFrame(rows).sort_values(["task", "cell", "clip", "lag"]).reset_index(drop=True)


def _tuning_grid(climb: Climb, task: Task, cells: Sequence[str], clips: Sequence[str]) -> Grid:
    grid = Grid(task=(task.spec,), cell=tuple(cells), clip=tuple(clips), lr=climb.rates, seeds=TUNING_SEEDS)
    return grid.changed(**climb.options)


def _study(climb: Climb, grids: Sequence[Grid]) -> Study:
    return Study(
        climb.name, f"How far back: {option_label('seeds')} {climb.seeds}, up to {climb.longest:g}", tuple(grids)
    )


def _tuning_rows(trials: pd.DataFrame, tasks: set[str]) -> pd.DataFrame:
    return trials[trials["task"].isin(tasks) & trials["seed"].isin(TUNING_SEEDS)]


def _rung(trials: pd.DataFrame, task: Task, spec: str, cell: str, clip: str, lr: float) -> dict[str, object]:
    rows = trials[(trials["task"] == task.spec) & (trials["cell"] == cell) & (trials["clip"] == clip)]
    rows = rows[(rows["lr"] == lr) & ~rows["seed"].isin(TUNING_SEEDS)]
    counted = rows[~rows["status"].isin(["failed", "timeout"])]
    return {
        "task": spec,
        "rung": task.spec,
        "cell": cell,
        "clip": clip,
        "lag": task.min_lag,
        "lr": lr,
        "budget_updates": int(rows["budget_updates"].max()),
        "solved": int((counted["status"] == "solved").sum()),
        "n": len(counted),
        "state_size": int(rows["state_size"].max()) if rows["state_size"].notna().any() else None,
    }
