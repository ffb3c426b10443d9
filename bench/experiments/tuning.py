"""Chooses learning rates: for each setting the best rate tried, with neighbours tried on both sides of it.

A tuning study begins with a coarse grid of rates. `further` returns the rates to try next: the neighbours, at most a
factor of `FACTOR` away, of every rate that is the best of some clip, for all clips of that task, cell and optimizer.
Thus the range of rates grows until the best lies inside, peaks are refined, and all clips of a cell are tried at the
same rates, equally often. Windows of rates are narrow: a coarse grid misses the best one (Okpekpe & Orvieto 2025, arXiv
2508.19029).

The functions are pure functions of data frames, except those that write a study file.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from longlag import registry
from longlag.plan.rates import Basis
from longlag.plan.study import Study
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import spell

SETTING = ["task", "cell", "clip", "optimizer"]
FACTOR = 1.5
"""The largest factor between a best rate and the neighbouring rates tried."""
LADDER = (1.0, 1.5, 2.0, 3.0, 4.5, 6.7)
"""Rates of a decade, each at most `FACTOR` times the one below."""
LOWEST, HIGHEST = 1e-7, 10.0
"""The lowest and highest rate tried; a best rate there counts as one at an edge."""

_NEAR = FACTOR * (1 + 1e-9)  # `FACTOR` with a tolerance for rounding
_BEGIN = "# rates: written by `longlag tune`, best of the rates tried on the tuning seeds"
_END = "# rates: end"


class Group(NamedTuple):
    """Settings whose clips are all tried at the same rates."""

    task: str
    cell: str
    optimizer: str


def further(trials: pd.DataFrame) -> dict[Group, tuple[float, ...]]:
    """Return the rates to try next, ascending, by group; empty if every best rate has its neighbours.

    A group in which no seed solved under any clip gets none, since it has no best rate.

    Args:
        trials: Rows of `longlag.store.results.load`.

    Raises:
        UsageError: A setting was tried at other rates or on fewer seeds than another clip of its group.
    """
    missing: dict[Group, set[float]] = defaultdict(set)
    for setting, rows in _settings(trials):
        best = _best(rows)
        if _solved(rows[rows["lr"] == best]):
            task, cell, _, optimizer = setting
            missing[Group(task, cell, optimizer)] |= _missing_neighbours(best, rows["lr"].unique().tolist())
    return {group: tuple(sorted(rates)) for group, rates in missing.items() if rates}


def _missing_neighbours(best: float, tried: Sequence[float]) -> set[float]:
    """Return the next rates of the ladder below and above a rate, on each side where none within `FACTOR` was tried.

    >>> sorted(_missing_neighbours(0.01, [0.001, 0.01, 0.015]))
    [0.0067]
    """
    decade = math.floor(math.log10(best))
    ladder = [float(f"{step:g}e{decade + shift}") for shift in (-1, 0, 1) for step in LADDER]
    sides = (
        [rate for rate in ladder if best / _NEAR <= rate < best and rate >= LOWEST][:1],
        [rate for rate in ladder if best < rate <= best * _NEAR and rate <= HIGHEST][-1:],
    )
    near = (
        [rate for rate in tried if best / _NEAR <= rate < best],
        [rate for rate in tried if best < rate <= best * _NEAR],
    )
    return {rate for side, tried_near in zip(sides, near, strict=True) if not tried_near for rate in side}


def extended(study: Study, rates: Mapping[Group, tuple[float, ...]]) -> Study:
    """Return a tuning study with further rates, each for all clips of its group."""
    grids = list(study.grids)
    for grid in study.grids:
        for task, cell, optimizer in product(grid.task, grid.cell, grid.optimizer):
            group = Group(registry.task(task).spec, registry.cell(cell).spec, registry.optimizer(optimizer).spec)
            if more := set(rates.get(group, ())) - set(grid.lr or ()):
                added = grid.changed(task=(task,), cell=(cell,), optimizer=(optimizer,), lr=tuple(sorted(more)))
                grids += [added] if added not in grids else []  # grids of earlier rounds may give the same
    return Study(study.name, study.title, tuple(grids), study.rates, study.origin, study.tuning)


def searched(study: Study, train: Callable[[Study], pd.DataFrame | None]) -> pd.DataFrame | None:
    """Train a tuning study, then further rates until none is left to try; return its trials, None if some are missing.

    Args:
        study: The study with the first rates.
        train: Trains the missing trials of a study and returns all of its trials, or None if some have no result.
    """
    while True:
        trials = train(study)
        if trials is None:
            return None
        more = further(trials)
        if not more:
            return trials
        study = extended(study, more)


def choose(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the best rate of each setting, one row per setting.

    Rates are compared by solved seeds, then by the mean of updates to solve (the budget for unsolved seeds), then by
    the mean error (the floor for missing errors), then by size: the smaller is better. If no seed solved at any rate,
    the setting gets the best rate of the other clips, and if these have none either, the rate with the lowest errors.
    ``basis`` records the case.

    Args:
        trials: Rows of `longlag.store.results.load`.

    Returns:
        `SETTING`, ``lr``, ``basis`` (a `Basis`), ``solved`` and ``tries`` (at that rate), ``lowest``, ``highest`` and
        ``rates_tried``, ``all_solved`` and ``all_tries`` (over all rates).

    Raises:
        UsageError: A setting was tried at other rates or on fewer seeds than another clip of its task, cell and
            optimizer.
    """
    groups: dict[Group, dict[tuple[str, ...], pd.DataFrame]] = defaultdict(dict)
    for setting, rows in _settings(trials):
        groups[Group(setting[0], setting[1], setting[3])][setting] = rows
    chosen = [
        _choice(setting, rows, list(clips.values())) for clips in groups.values() for setting, rows in clips.items()
    ]
    return pd.DataFrame(chosen).sort_values(SETTING).reset_index(drop=True)


def _settings(trials: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    for group, rows in trials.groupby([*Group._fields], sort=True):
        tries = rows.groupby("lr")["clip"].value_counts().unstack(fill_value=0).to_numpy()
        if tries.min() != tries.max():
            label = f"task {group[0]}, cell {group[1]}"
            raise UsageError(
                f"{label}: clips were tried unequally often, {tries.min()} to {tries.max()} times: finish the study"
            )
    return [(tuple(map(str, setting)), rows) for setting, rows in trials.groupby(SETTING, sort=True)]


def _choice(setting: tuple[str, ...], rows: pd.DataFrame, clips: Sequence[pd.DataFrame]) -> dict[str, object]:
    lr, basis = _chosen(rows, clips)
    at_rate = rows[rows["lr"] == lr]
    rates = sorted(rows["lr"].unique().tolist())
    return dict(zip(SETTING, setting, strict=True)) | {
        "lr": lr,
        "basis": basis,
        "solved": _solved(at_rate),
        "tries": len(at_rate),
        "lowest": rates[0],
        "highest": rates[-1],
        "rates_tried": len(rates),
        "all_solved": _solved(rows),
        "all_tries": len(rows),
    }


def _chosen(rows: pd.DataFrame, clips: Sequence[pd.DataFrame]) -> tuple[float, Basis]:
    """Return a setting's rate and its `Basis`, from its own trials and those of all clips of its group."""
    best = _best(rows)
    if _solved(rows[rows["lr"] == best]):
        tried = rows["lr"].unique().tolist()
        if best in (min(tried), max(tried)):
            return best, Basis.EDGE
        return best, Basis.COARSE if _missing_neighbours(best, tried) else Basis.TUNED
    neighbours = [of_clip for of_clip in clips if _solved(of_clip)]
    if not neighbours:
        return best, Basis.NONE
    bests = [of_clip[of_clip["lr"] == _best(of_clip)] for of_clip in neighbours]
    return float(min(bests, key=_merit)["lr"].iloc[0]), Basis.NEIGHBOUR


def _best(rows: pd.DataFrame) -> float:
    by_rate = {float(str(lr)): of_rate for lr, of_rate in rows.groupby("lr", sort=True)}
    return min(by_rate, key=lambda lr: (*_merit(by_rate[lr]), lr))


def _merit(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the numbers by which rates are compared; smaller ones are better."""
    updates = rows["updates_to_solve"].astype("float64").fillna(rows["budget_updates"])
    errors = rows["error"].fillna(rows["baseline_error"]).clip(upper=rows["baseline_error"])
    return -_solved(rows), float(updates.mean()), float(errors.mean())


def _solved(rows: pd.DataFrame) -> int:
    return int((rows["status"] == "solved").sum())


def write(choices: pd.DataFrame, path: Path) -> None:
    """Write the choices into a study file, between its two comments for rates, and leave the rest unchanged.

    Raises:
        UsageError: The file has no such comments, or is not text in UTF-8.
    """
    before, after = marked(path)
    entries = "".join(_entry(row) for row in choices.to_dict("records"))
    rates = f"{_BEGIN}\nrates = [\n{entries}]\n{_END}\n"
    if "\r\n" in before + after:
        rates = rates.replace("\n", "\r\n")
    path.write_text(before + rates + after, encoding="utf-8", newline="")


def marked(path: Path) -> tuple[str, str]:
    """Return the text before and after the rates of a study file, with its byte-order mark and line ends.

    Raises:
        UsageError: No comments mark the rates, or the file is not text in UTF-8.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8: {error}") from None
    match = re.search(rf"{re.escape(_BEGIN)}\r?\n.*{re.escape(_END)}(\r?\n|$)", text, re.DOTALL)
    if not match:
        raise UsageError(f"{path}: rates go between the lines {_BEGIN!r} and {_END!r}, which the file lacks")
    return text[: match.start()], text[match.end() :]


def _entry(row: Mapping[Hashable, Any]) -> str:
    keys = ", ".join(f'{name} = "{row[name]}"' for name in SETTING)
    tried = f"{row['rates_tried']} rates, {spell(row['lowest'])} to {spell(row['highest'])}"
    note = f"{row['solved']}/{row['tries']} solved here, {row['all_solved']}/{row['all_tries']} over {tried}"
    return f'    {{ {keys}, lr = {spell(float(str(row["lr"])))}, basis = "{row["basis"]}" }}, # {note}\n'
