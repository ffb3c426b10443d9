"""Writes safe windows as text: aligned rows of both sweeps, and a sentence on which settings are safe."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from longlag.experiments import clip_window as sweeps
from longlag.experiments.clip_window import NONE, SAFE_FRACTION, Window
from longlag.report.figures import style
from longlag.tasks.support.options import spell

_HEAD = f"{'solved':>12} {'exploded,':>10} {'updates to':>11} {'clipped':>9}"
_UNDER = f"{'':>12} {'diverged':>10} {'solve':>11} {'updates':>9}"


def render(window: Window, rows: pd.DataFrame) -> str:
    """Return both sweeps as aligned rows, each followed by the sentence on its safe window.

    Args:
        window: The settings of both sweeps.
        rows: Their results, as `longlag.experiments.clip_window.measured` returns them.
    """
    budget = max(grid.updates for grid in window.study().grids)
    lines = [f"{style.task_label(window.task)}, n = {rows['n'].max()} seeds a setting, within {budget} updates"]
    for (cell, sweep), some in rows.groupby(["cell", "sweep"], sort=False):
        for clip, of_sweep in [(None, some)] if sweep == "clip" else list(some.groupby("clip", sort=False)):
            swept = f"rate {spell(window.lr)}" if sweep == "clip" else style.clip_label(str(clip))
            lines += ["", f"{style.cell_label(str(cell))}, {swept}", f"  {'':12} {_HEAD}", f"  {'':12} {_UNDER}"]
            lines += [_line(str(sweep), row) for row in of_sweep.to_dict("records")]
            lines += ["", f"  {sentence(str(sweep), of_sweep, budget)}"]
    return "\n".join(lines) + "\n"


def _line(sweep: str, row: Mapping[Hashable, Any]) -> str:
    name = str(row["clip"]) if sweep == "clip" else spell(float(row["lr"]))
    updates = "> budget" if pd.isna(row["median_updates"]) else f"{row['median_updates']:.0f}"
    clipped = "" if pd.isna(row["clipped_fraction"]) or row["clip"] == NONE else f"{row['clipped_fraction']:.1%}"
    solved = f"{row['solved']}/{row['n']}"
    ended = ", ".join(f"{row[status]} {status}" for status in ("failed", "timeout") if row[status])
    return f"  {name:12} {solved:>12} {row['lost'] or '':>10} {updates:>11} {clipped:>9}   {ended}".rstrip()


def sentence(sweep: str, rows: pd.DataFrame, budget: int) -> str:
    """Return a sentence on which settings of a sweep are safe.

    Args:
        sweep: ``clip`` or ``rate``.
        rows: The results of the sweep.
        budget: The budget of a trial in updates.
    """
    names = list(rows["clip"]) if sweep == "clip" else [spell(lr) for lr in rows["lr"]]
    runs = sweeps.safe_runs(rows["solved_fraction"].tolist())
    if not rows["solved"].any():
        return f"No setting solves in any seed within {budget} updates."
    if not runs:
        best = rows.iloc[int(rows["solved"].to_numpy().argmax())]
        name = best["clip"] if sweep == "clip" else f"a rate of {spell(float(best['lr']))}"
        return (
            f"No setting solves at least {SAFE_FRACTION:.0%} of its seeds within {budget} updates; "
            f"most: {name}, {best['solved']}/{best['n']}."
        )
    safe_names = " and ".join(names[low] if low == high else f"{names[low]} to {names[high]}" for low, high in runs)
    several = len(runs) > 1 or runs[0][0] < runs[0][1]
    start = "" if sweep == "clip" else "rates of " if several else "a rate of "
    verb = "solve" if several else "solves"
    text = f"{start}{safe_names} {verb} at least {SAFE_FRACTION:.0%} of the seeds"
    edges = [
        edge
        for edge, reached in (("lowest", runs[0][0] == 0), ("highest", runs[-1][1] == len(names) - 1))
        if reached and not (sweep == "clip" and edge == "highest")
    ]
    open_end = f"; the window reaches the {' and the '.join(edges)} value tried" if edges else ""
    return f"{text[0].upper() if sweep == 'rate' else text[0]}{text[1:]}{open_end}."
