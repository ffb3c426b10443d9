"""Reports the frontier of copy memory: how many items a network carries over which lag, and how many bits that is.

The edge of a setting is, for each number of items, the longest lag at which half of the seeds still solve the task.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longlag.report.figures import horizons, panels, style
from longlag.store.results import write_csv
from longlag.tasks.support.spelling import split_spec

EXPLAINED = (
    "seeds that solve / seeds; blank: not climbed to; line and right: the longest lag at which half solve, and the "
    "bits held there per number of the state (items x log2 of the symbols / state numbers); >: the ladder's last lag"
)
_COLUMNS = 3


def edges(rungs: pd.DataFrame) -> pd.DataFrame:
    """Return the edge of each cell and clip, a row for each number of items.

    Args:
        rungs: One row for each rung and setting, as `longlag.experiments.horizon.run` returns them.

    Returns:
        ``cell, clip, items, lag`` (missing if half of the seeds solve on no rung), ``censored`` (``beyond`` if half
        solve on the last rung tried, ``below`` if they do on none, else empty), ``shortest`` (the first lag tried),
        ``bits`` (items times log2 of the number of symbols), ``state_size``, ``bits_per_state_number`` (missing if
        ``lag`` is, as nothing shows that the bits are held).
    """
    rows = []
    for (cell, clip, task), subset in rungs.groupby(["cell", "clip", "task"], sort=True):
        items, symbols = _items(str(task))
        held = subset[subset["solved"] * 2 >= subset["n"]]
        bits, state_size = items * math.log2(symbols), int(subset["state_size"].max())
        lag = None if held.empty else int(held["lag"].max())
        rows.append(
            {
                "cell": cell,
                "clip": clip,
                "items": items,
                "lag": lag,
                "censored": "below" if lag is None else "beyond" if lag == subset["lag"].max() else "",
                "shortest": int(subset["lag"].min()),
                "bits": bits,
                "state_size": state_size,
                "budget": int(subset["budget_updates"].max()),
                "bits_per_state_number": None if lag is None else bits / state_size,
            }
        )
    table = pd.DataFrame(rows).sort_values(["cell", "clip", "items"]).reset_index(drop=True)
    return table.astype({"lag": "Int64", "bits_per_state_number": float})


def _items(task: str) -> tuple[int, int]:
    _, given = split_spec(task, "task")
    return int(given.get("items", 10)), int(given.get("symbols", 8))


def render(table: pd.DataFrame) -> str:
    """Return the edges as aligned lines, a block for each cell and clip."""
    lines = []
    for (cell, clip), rows in table.groupby(["cell", "clip"], sort=True):
        setting = f"{style.cell_label(str(cell))}, {style.clip_label(str(clip))}"
        lines.append(f"\n{setting}: half of the seeds still solve {horizons.budget(rows)}")
        for row in rows.to_dict("records"):
            items = f"{row['items']} {'item' if row['items'] == 1 else 'items'}"
            if row["censored"] == "below":
                lines.append(f"  {items:9} at no lag tried, from {row['shortest']} on")
                continue
            to = f"at lag {row['lag']}{' and maybe beyond' if row['censored'] else ''}"
            held = f"{row['bits']:g} bits in {row['state_size']} state numbers, {row['bits_per_state_number']:.2g} each"
            lines.append(f"  {items:9} {to:28} {held}")
    return "\n".join(lines).lstrip("\n") + "\n"


@style.report_style()
def draw(rungs: pd.DataFrame) -> panels.Drawing:
    """Draw the solved share as a map of items against lag, with its edge, in a frame for each cell and clip."""
    table = edges(rungs)
    rungs = rungs.assign(
        items=[_items(task)[0] for task in rungs["task"]],
        step=(2 * np.log2(rungs["lag"])).round().astype(int),
    )
    rungs = rungs.sort_values("lag").drop_duplicates(["cell", "clip", "items", "step"], keep="last")
    steps = range(rungs["step"].min(), rungs["step"].max() + 1)
    settings = list(table.groupby(["cell", "clip"], sort=True))
    columns = min(len(settings), _COLUMNS)
    height = -(-len(settings) // columns)
    size = (3.1 * columns + 0.6, (0.3 * rungs["items"].nunique() + 1.1) * height + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(height, columns, squeeze=False).flat
    for ax in axes[len(settings) :]:
        panels.blank(ax)
    for ax, ((cell, clip), edge) in zip(axes, settings, strict=False):
        subset = rungs[(rungs["cell"] == cell) & (rungs["clip"] == clip)]
        _draw_map(ax, subset, edge, list(steps))
        ax.set_title(f"{style.cell_label(str(cell))}, {style.clip_label(str(clip))}", loc="left")
    panels.headline(figure, f"Items carried against lag in copy memory, {horizons.budget(table)}", EXPLAINED)
    return panels.Drawing(figure, table)


def _draw_map(ax: Axes, rungs: pd.DataFrame, edge: pd.DataFrame, steps: list[int]) -> None:
    items = sorted(edge["items"], reverse=True)
    at = {(row["items"], row["step"]): row for row in rungs.to_dict("records")}
    shares = np.full((len(items), len(steps)), np.nan)
    counts = np.full(shares.shape, "", dtype=object)
    for (count, step), row in at.items():
        place = items.index(count), step - steps[0]
        shares[place], counts[place] = row["solved"] / max(row["n"], 1), f"{row['solved']}/{row['n']}"
    seaborn.heatmap(
        shares,
        ax=ax,
        cmap="Blues",
        vmin=0,
        vmax=1,
        annot=counts,
        fmt="",
        annot_kws={"fontsize": 6},
        cbar=False,
        xticklabels=[f"{2 ** (step / 2):.0f}" for step in steps],
        yticklabels=items,
    )
    ax.tick_params(length=0, rotation=0)
    for row in edge[edge["lag"].notna()].to_dict("records"):
        y, right = items.index(row["items"]), round(2 * math.log2(row["lag"])) - steps[0] + 1
        ax.plot([right, right], [y, y + 1], color="black", linewidth=1.5, clip_on=False)
        text = f"{'> ' if row['censored'] else ''}{row['lag']}: {row['bits_per_state_number']:.2g} bits"
        ax.annotate(text, (len(steps), y + 0.5), (4, 0), textcoords="offset points", va="center", fontsize=6)
    ax.set_xlabel("lag (smallest window, time steps)")
    ax.set_ylabel("items to carry")


def write(rungs: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the rungs as CSV, and the map as PNG and PDF with the edges as CSV beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(rungs, folder / "rungs.csv")
    return [folder / "rungs.csv", *draw(rungs).save(folder, "frontier")]
