"""Figures of how trials ended: solved shares, statuses, and how long they took to solve."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench import stats
from bench.report import canvas, style
from bench.report.curves import all_cells, all_clips
from bench.report.outcomes import Panel, study_panels
from bench.results import StudyData
from bench.trial import Status

PER_ROW = 3

_MISSING = "not trained yet"
STATUS_LOOKS: dict[str, dict[str, Any]] = {
    Status.SOLVED: {"facecolor": "#0B3C7D"},
    Status.UNSOLVED: {"facecolor": "#BFD3E6"},
    Status.EXPLODED: {"facecolor": "#E8A200", "hatch": "////"},
    Status.DIVERGED: {"facecolor": "#B3321B", "hatch": "xxxx"},
    Status.FAILED: {"facecolor": "#222222"},
    Status.TIMEOUT: {"facecolor": "#777777", "hatch": "...."},
    _MISSING: {"facecolor": "white"},
}
_WHITE_EDGE: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4}
_GREY_EDGE: dict[str, Any] = {"edgecolor": "0.5", "linewidth": 0.4}


def _wrapped_grid(parts: list[Panel], height: Callable[[int], float]) -> tuple[Any, list[Axes], list[list[str]]]:
    """Lay panels out in rows of three; frames left over are blank.

    Args:
        parts: The panels.
        height: Inches of a row of frames, by its number of cells.

    Returns:
        The figure, a frame for each panel, and for each panel the cells of its row of frames.
    """
    lines = [parts[start : start + PER_ROW] for start in range(0, len(parts), PER_ROW)]
    cells = [all_cells(line) for line in lines]
    heights = [height(len(names)) for names in cells]
    figure, axes = canvas.grid(len(lines), min(PER_ROW, len(parts)), heights, sharey="row")
    for ax in axes.flat[len(parts) :]:
        canvas.blank(ax)
    return (
        figure,
        list(axes.flat[: len(parts)]),
        [names for line, names in zip(lines, cells, strict=True) for _ in line],
    )


def _title(ax: Axes, part: Panel) -> None:
    ways = f"\n{part.ways_label}" if part.ways else ""
    label = style.task_label(part.task)
    ax.set_title(f"{label}{ways}\nlag {part.lag} · {part.seeds}", loc="left", fontsize=7)


@style.report_style()
def solved(study: StudyData) -> canvas.Drawing:
    """Draw the solved share as cell × clip heat map for each panel, counts written in."""
    parts = study_panels(study)
    clips = all_clips(parts)
    figure, axes, rows = _wrapped_grid(parts, lambda count: 0.55 + 0.26 * count)
    shown = []
    for part, ax, cells in zip(parts, axes, rows, strict=True):
        _title(ax, part)
        shown.append(draw_shares(ax, part, cells, clips))
    bar = figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.7, aspect=25, pad=0.015)
    bar.set_label("solved share of trials")
    title = "solved / trials with a result; crossed out: not in the plan; a dash: no result yet"
    canvas.caption(figure, study, "Solved share", title)
    return canvas.Drawing(figure, pd.concat(shown, ignore_index=True))


def draw_shares(ax: Axes, part: Panel, cells: list[str], clips: list[str]) -> pd.DataFrame:
    """Draw one heat map and return its numbers."""
    shares = pd.DataFrame(np.nan, index=cells, columns=clips)
    counts = pd.DataFrame("", index=cells, columns=clips)
    shown = []
    for cell in cells:
        for clip in clips:
            rows = part.of(cell, clip)
            if rows.empty:
                y, x = cells.index(cell), clips.index(clip)
                ax.plot([x, x + 1], [y + 1, y], color="0.85", linewidth=0.6)
                continue
            n, count = int(rows["counted"].sum()), int(rows["solved"].sum())
            shares.loc[cell, clip] = count / n if n else 0.0
            counts.loc[cell, clip] = f"{count}/{n}" if n else "-"
            shown.append((part.task, part.ways_label, cell, clip, count, n, len(rows)))
    seaborn.heatmap(
        shares.astype(float),
        annot=counts,
        fmt="",
        annot_kws={"fontsize": 6.5},
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        linewidths=1.2,
        linecolor="white",
        xticklabels=[style.clip_label(clip) for clip in clips],
        yticklabels=[style.cell_label(cell) for cell in cells],
        ax=ax,
    )
    ax.tick_params(length=0, rotation=0)
    if len(clips) > 3:
        ax.tick_params(axis="x", rotation=30)
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "solved_count", "n", "N"])


@style.report_style()
def statuses(study: StudyData) -> canvas.Drawing:
    """Draw how the trials of each setting ended as stacked bars."""
    parts = study_panels(study)
    clips = all_clips(parts)
    figure, axes, rows = _wrapped_grid(parts, lambda count: 0.5 + count * (0.125 * len(clips) + 0.15))
    shown = []
    for part, ax, cells in zip(parts, axes, rows, strict=True):
        _title(ax, part)
        shown.append(draw_statuses(ax, part, cells, clips))
        ax.set_xlabel("trials")
    canvas.caption(figure, study, "How trials ended", "one bar a setting, one trial a seed")
    data = pd.concat(shown, ignore_index=True)
    used = set(data.loc[data["trials"] > 0, "status"])
    handles = [Patch(label=str(name), **look | _GREY_EDGE) for name, look in STATUS_LOOKS.items() if name in used]
    canvas.legend_below(figure, handles)
    return canvas.Drawing(figure, data)


def draw_statuses(ax: Axes, part: Panel, cells: list[str], clips: list[str]) -> pd.DataFrame:
    """Draw one panel's bars, cells as groups, and return the counts."""
    ticks, names, shown, y = [], [], [], 0.0
    for cell in cells:
        planned = cell in part.cells
        ax.text(0, y, style.cell_label(cell), fontsize=6.5, va="center", color="black" if planned else "0.65")
        for clip in clips:
            y += 1
            ticks.append(y)
            names.append(style.clip_label(clip))
            left = 0
            statuses = part.of(cell, clip)["status"].fillna(_MISSING)
            for status, look in STATUS_LOOKS.items():
                count = int((statuses == status).sum())
                edge = _GREY_EDGE if status == _MISSING else _WHITE_EDGE
                if count:
                    ax.barh(y, count, left=left, height=0.82, **look | edge)
                left += count
                if planned:
                    shown.append((part.task, part.ways_label, cell, clip, str(status), count))
        y += 1.35
    ax.set_ylim(y - 0.6, -0.8)
    ax.set_yticks(ticks, names, fontsize=5.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "status", "trials"])


@style.report_style()
def updates_to_solve(study: StudyData) -> canvas.Drawing:
    """Draw the share of trials not solved yet against updates, unsolved trials censored at the budget."""
    parts = study_panels(study)
    clips = all_clips(parts)
    figure, axes = canvas.grid(len(parts), len(clips), [1.35], sharex="row", sharey=True)
    shown = []
    for part, row in zip(parts, axes, strict=True):
        for place, (clip, ax) in enumerate(zip(clips, row, strict=True)):
            header = f"{part.label} · lag {part.lag} · {part.seeds}" if place == 0 else ""
            canvas.titles(ax, header, style.clip_label(clip) if clip in part.clips else "")
            ax.set_xlim(0, part.budget * 1.06)
            ax.set_ylim(-0.07, 1.1)
            if clip in part.clips:
                shown.append(draw_survival(ax, part, clip))
            else:
                canvas.blank(ax)
        row[0].set_ylabel("not solved yet\n(share of trials)", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("updates (the budget is the right end)")
    title = "unsolved and diverged trials are censored at the budget; lines are set apart a little where they coincide"
    canvas.caption(figure, study, "Updates to solve", title)
    canvas.legend_below(figure, canvas.cell_handles(all_cells(parts)))
    return canvas.Drawing(figure, pd.concat(shown, ignore_index=True))


def draw_survival(ax: Axes, part: Panel, clip: str) -> pd.DataFrame:
    """Draw one frame's step curves and return their corners."""
    shown = []
    cells = part.cells
    for place, cell in enumerate(cells):
        rows = part.of(cell, clip)
        rows = rows[rows["counted"]]
        if rows.empty:
            continue
        curve = stats.survival(rows["watched_updates"].tolist(), rows["solved"].tolist())
        updates = [0.0, *curve.updates, float(rows["budget_updates"].max())]
        unsolved = [1.0, *curve.unsolved, curve.unsolved[-1] if curve.unsolved else 1.0]
        look, apart = style.cell_look(cell), 0.09 * (place / max(len(cells) - 1, 1) - 0.5)
        heights = [share + apart for share in unsolved]
        ax.step(updates, heights, where="post", color=look.color, linestyle=style.clip_line(clip), linewidth=1.3)
        ax.plot(updates[-1], heights[-1], color=look.color, marker=look.marker, clip_on=False)
        corners = zip(updates, unsolved, strict=True)
        shown += [(part.task, part.ways_label, cell, clip, len(rows), *corner) for corner in corners]
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "n", "update", "unsolved_fraction"])
