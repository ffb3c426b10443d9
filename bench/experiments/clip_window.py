"""The safe clip window: the thresholds and the learning rates with which a cell learns.

A window is made of two sweeps through one point. One goes over thresholds from tight to loose, and then to no clip, at
one learning rate; the other goes over rates from low to high, without a clip and with the middle threshold. In all
settings a seed has the same data and initial weights. The trials form an ordinary study, stored and resumed like any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from longlag import registry
from longlag.plan.study import Study, adhoc
from longlag.stats.intervals import share_interval
from longlag.stats.survival import median_updates
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell
from longlag.values.rules import number
from longlag.values.trial import Status

NONE = "none"
SAFE_FRACTION = 0.9
"""A setting is safe if at least this share of its seeds solve."""

_ROUND = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
THRESHOLDS: dict[str, tuple[float, ...]] = {
    "norm": _ROUND,
    "layer": _ROUND,
    "skip": _ROUND,
    "value": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "state": (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03),
    "agc": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "quantile": (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9),
}
"""The default thresholds of a sweep, by kind of clip."""
RATES = 7
"""The default number of rates in a sweep, in factors of about √10 around the given rate."""


@dataclass(frozen=True)
class Window:
    """The settings of both sweeps.

    Attributes:
        name: The study that holds the trials.
        task: Spec of the task.
        cells: Specs of the cells.
        clip: The kind of clip: ``norm``.
        thresholds: Thresholds of the clip, ascending.
        lr: The rate of the sweep over thresholds.
        rates: Learning rates, ascending.
        seeds: The number of seeds.
        options: Further keys of a grid: updates, hidden size, optimizer.
    """

    name: str
    task: str
    cells: tuple[str, ...]
    clip: str
    thresholds: tuple[float, ...]
    lr: float
    rates: tuple[float, ...]
    seeds: int
    options: dict[str, object] = field(default_factory=dict)

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips from tight to loose, ending with ``none``."""
        return (*(f"{self.clip}:{spell(threshold)}" for threshold in self.thresholds), NONE)

    @property
    def beside(self) -> tuple[str, str]:
        """The two clips under which rates are swept: none, and the middle one."""
        return NONE, self.clips[len(self.thresholds) // 2]

    def study(self) -> Study:
        """Return the study of both sweeps; a trial at their crossing is one trial.

        Raises:
            UsageError: A spec or an option is refused.
        """
        settings = [(self.clips, (self.lr,)), (self.beside, self.rates)]
        of_each = [
            adhoc(self.name, task=self.task, cell=self.cells, clip=clip, lr=lr, seeds=self.seeds, **self.options)
            for clip, lr in settings
        ]
        grids = tuple(grid for one in of_each for grid in one.grids)
        return replace(of_each[0], title=f"Safe window of {self.clip} on {self.task}", grids=grids)


def swept(kind: str, thresholds: Sequence[float]) -> tuple[float, ...]:
    """Return the thresholds of a kind of clip, ascending: those given, or the default ones.

    Raises:
        UsageError: There is no such kind, it has no threshold or no default ones, or fewer than two are given.
    """
    known = registry.names("clip")
    if kind not in known:
        hint = "; thresholds go to --threshold" if ":" in kind else near(kind, known)
        raise UsageError(f"--clip must be a kind of clip, such as norm, not {kind!r}{hint}")
    if kind == NONE:
        raise UsageError("--clip none has no threshold to sweep; every sweep includes it")
    if not thresholds and kind not in THRESHOLDS:
        raise UsageError(f"clip {kind} has no usual thresholds: give at least two by --threshold")
    return _ascending(thresholds or THRESHOLDS[kind], "--threshold")


def rates_around(lr: float, given: Sequence[float] = ()) -> tuple[float, ...]:
    """Return the rates given, or `RATES` of them around one, on the ladder ..., 0.001, 0.003, 0.01, ...

    >>> rates_around(0.003)
    (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)

    Raises:
        UsageError: A value is not a learning rate, or fewer than two are given.
    """
    if given:
        return _ascending(given, "--rate")
    middle = round(2 * math.log10(number(lr, "--lr", above=True)))
    around = range(middle - RATES // 2, middle + RATES // 2 + 1)
    ladder = [float(f"{3 if place % 2 else 1}e{place // 2}") for place in around]
    ladder[RATES // 2] = lr
    return tuple(ladder)


def _ascending(values: Sequence[float], label: str) -> tuple[float, ...]:
    ascending = tuple(sorted({number(value, label, above=True) for value in values}))
    if len(ascending) < 2:
        raise UsageError(f"{label} must be given at least twice, with different values")
    return ascending


def measured(window: Window, trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each setting of both sweeps, in their order.

    Args:
        window: The settings.
        trials: Rows of `longlag.store.results.load`.

    Returns:
        ``sweep`` (``clip`` or ``rate``), ``cell, clip, threshold`` (missing without a clip), ``lr, solved, n`` (trials
        with a result), ``failed``, ``timeout``, ``lost`` (exploded or diverged), ``solved_fraction`` with the
        exact interval ``low, high``, ``median_updates`` to solve (missing: beyond the budget) and
        ``clipped_fraction`` (median of the seeds).
    """
    trials = trials[trials["task"] == registry.task(window.task).spec]
    cells = [registry.cell(spec).spec for spec in window.cells]
    by_clip = [("clip", cell, clip, window.lr) for cell in cells for clip in window.clips]
    by_rate = [("rate", cell, clip, lr) for cell in cells for clip in window.beside for lr in window.rates]
    return pd.DataFrame([_setting(window, trials, *setting) for setting in by_clip + by_rate])


def _setting(window: Window, trials: pd.DataFrame, sweep: str, cell: str, clip: str, lr: float) -> dict[str, object]:
    rows = trials[(trials["cell"] == cell) & (trials["clip"] == clip) & (trials["lr"] == lr)]
    counted = rows[~rows["status"].isin([Status.FAILED, Status.TIMEOUT])]
    solved = counted["status"] == Status.SOLVED
    updates = counted["updates_to_solve"].where(solved, counted["budget_updates"]).astype(float)
    interval = share_interval(int(solved.sum()), len(counted))
    clipped = counted["clipped_fraction"].astype(float).median()
    return {
        "sweep": sweep,
        "cell": cell,
        "clip": clip,
        "threshold": None if clip == NONE else window.thresholds[window.clips.index(clip)],
        "lr": lr,
        "solved": int(solved.sum()),
        "n": len(counted),
        "failed": int((rows["status"] == Status.FAILED).sum()),
        "timeout": int((rows["status"] == Status.TIMEOUT).sum()),
        "lost": int(counted["status"].isin([Status.EXPLODED, Status.DIVERGED]).sum()),
        "solved_fraction": solved.mean() if len(counted) else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "median_updates": median_updates(updates.tolist(), solved.tolist()) if len(counted) else None,
        "clipped_fraction": None if pd.isna(clipped) else float(clipped),
    }


def safe_runs(fractions: Sequence[float | None]) -> list[tuple[int, int]]:
    """Return the first and last index of each run of consecutive safe settings.

    >>> safe_runs([0.2, 0.9, 1.0, 0.5, 1.0])
    [(1, 2), (4, 4)]
    """
    runs: list[tuple[int, int]] = []
    for place, fraction in enumerate(fractions):
        if fraction is None or math.isnan(fraction) or fraction < SAFE_FRACTION:
            continue
        if runs and runs[-1][1] == place - 1:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs
