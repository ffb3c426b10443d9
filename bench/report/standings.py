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

_GAP, _SQUARE, _BAR = 0.12, 0.34, 0.75
"""Inches between frames, of a square of the heat map, and of the bar beside it."""
_NARROWEST = 1.2
"""Inches of a frame of bars."""
_STRAIGHT = 3
"""Clips whose names fit side by side under a heat map."""

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


def _wrapped_grid(
    parts: list[Panel], height: Callable[[int], float], width: float, beside: float
) -> tuple[Any, list[Axes], list[list[str]]]:
    """Lay panels out in rows of three, or fewer where these would be wider than a page; frames left over are blank.

    Args:
        parts: The panels.
        height: Inches of a row of frames, by its number of cells.
        width: Inches that a frame needs, apart from its title.
        beside: Inches beside the frames.

    Returns:
        The figure, a frame for each panel, and for each panel the cells of its row of frames.
    """
    width = max(width, canvas.text_inches(map(_told, parts), 7))
    per_row = max(1, min(PER_ROW, len(parts), int((style.INCHES[3] - beside) / (width + _GAP))))
    lines = [parts[start : start + per_row] for start in range(0, len(parts), per_row)]
    cells = [all_cells(line) for line in lines]
    heights = [height(len(names)) for names in cells]
    figure, axes = canvas.grid(len(lines), per_row, heights, beside + per_row * (width + _GAP), sharey="row")
    for ax in axes.flat[len(parts) :]:
        canvas.blank(ax)
    return (
        figure,
        list(axes.flat[: len(parts)]),
        [names for line, names in zip(lines, cells, strict=True) for _ in line],
    )


def _told(part: Panel) -> str:
    ways = f"\n{part.ways_label}" if part.ways else ""
    return f"{style.task_label(part.task)}{ways}\nlag {part.lag} · {part.seeds}"


def _title(ax: Axes, part: Panel) -> None:
    ax.set_title(_told(part), loc="left", fontsize=7)


@style.report_style()
def solved(study: StudyData) -> canvas.Drawing:
    """Draw the solved share as cell × clip heat map for each panel, counts written in."""
    parts = study_panels(study)
    clips = all_clips(parts)
    beside = canvas.text_inches(map(style.cell_label, all_cells(parts))) + _BAR
    under = 0.55 + _slanted(clips) * 0.7 * canvas.text_inches(map(style.clip_label, clips))
    figure, axes, rows = _wrapped_grid(parts, lambda count: under + 0.26 * count, _SQUARE * len(clips), beside)
    shown = []
    for part, ax, cells in zip(parts, axes, rows, strict=True):
        _title(ax, part)
        shown.append(draw_shares(ax, part, cells, clips))
    bar = figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.7, aspect=25, pad=0.015)
    bar.set_label("solved share of trials")
    title = "solved / trials with a result; crossed out: not in the plan; a dash: no result yet"
    canvas.caption(figure, study, "Solved share", title)
    return canvas.Drawing(figure, pd.concat(shown, ignore_index=True))


def _slanted(clips: list[str]) -> bool:
    """Whether the clips are too many for names written straight."""
    return len(clips) > _STRAIGHT


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
            if n:
                shares.loc[cell, clip], counts.loc[cell, clip] = count / n, f"{count}/{n}"
            else:
                ax.text(clips.index(clip) + 0.5, cells.index(cell) + 0.5, "-", ha="center", va="center", fontsize=6.5)
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
    if _slanted(clips):
        ax.set_xticks(
            ax.get_xticks(), [style.clip_label(clip) for clip in clips], rotation=45, ha="right", rotation_mode="anchor"
        )
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "solved_count", "n", "N"])


@style.report_style()
def statuses(study: StudyData) -> canvas.Drawing:
    """Draw how the trials of each setting ended as stacked bars."""
    parts = study_panels(study)
    clips = all_clips(parts)
    width = canvas.text_inches(map(style.cell_label, all_cells(parts)))
    beside = canvas.text_inches(map(style.clip_label, clips), 5.5)
    figure, axes, rows = _wrapped_grid(
        parts, lambda count: 0.5 + count * (0.125 * len(clips) + 0.15), max(width, _NARROWEST), beside
    )
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
