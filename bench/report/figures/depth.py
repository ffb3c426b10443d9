"""Draws solved share and error against the number of layers, with and without skip connections."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from longlag.report.figures import panels, style
from longlag.report.figures.support import frames
from longlag.report.memo import once
from longlag.report.outcomes import Panel, into_panels, outcomes
from longlag.stats.intervals import share_interval
from longlag.store.results import StudyData
from longlag.values.wiring import NO_DECODER, SKIPS

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "cell", "clip")
_DRAWN = ("layers", "skip")
_DASHES: dict[str, style.LineStyle] = dict(zip(SKIPS, ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), ":"), strict=True))
_PER_ROW = 3
_APART = 1.09
"""Factor between the places of two kinds of skip connection, so that no interval hides another."""


@once
def depth_frames(study: StudyData) -> list[Panel]:
    """Return a panel for each cell and clip that was trained at several depths.

    A network of one layer has no skip connections, so every line begins with it.
    """
    frame = outcomes(study)
    frame = frame[frame["decoder_cell"] == NO_DECODER]  # encoder-decoders have a figure of their own
    between = ["normalisation", "dropout"]
    deep, flat = frame[frame["layers"] > 1], frame[frame["layers"] == 1]
    joined = flat.drop(columns=between).merge(deep[between].drop_duplicates(), how="cross")[frame.columns]
    matched = "matched" in frame and frame["matched"].notna().any()
    drawn = (*_DRAWN, "hidden_size") if matched else _DRAWN  # depths with equal parameters differ in width
    parts_by_depth = []
    for part in into_panels(pd.concat([joined, deep]), drawn) if len(deep) else []:
        for (cell, clip), rows in part.frame.groupby(["cell", "clip"], sort=False):
            if rows["layers"].nunique() > 1:
                names = {"cell": cell} if len(part.cells) > 1 else {}
                names |= {"clip": clip} if len(part.clips) > 1 else {}
                parts_by_depth.append(Panel(part.task, names | part.ways, rows))
    return parts_by_depth


def has_depth(study: StudyData) -> bool:
    """Return whether any network was trained at several depths."""
    return bool(depth_frames(study))


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting, depth and kind of skip connection, as `depth` writes them beside its figure."""
    tables = [_numbers(part, skip, rows) for part in depth_frames(study) for skip, rows in _by_skip(part)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _by_skip(part: Panel) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each kind of skip connection; rows of one layer belong to every kind."""
    flat = part.frame["layers"] == 1
    by_skip = [(skip, part.frame[flat | (part.frame["skip"] == skip)]) for skip in SKIPS]
    return [(skip, rows) for skip, rows in by_skip if ((rows["layers"] > 1) & (rows["skip"] == skip)).any()]


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the solved share with exact 95 % intervals against layers, a line for each kind of skip connection.

    Args:
        frame: Rows of `numbers`, of one task, cell and clip.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    for skip in (skip for skip in SKIPS if (frame["skip"] == skip).any()):
        rows, look = frame[frame["skip"] == skip].sort_values("layers"), style.skip_look(skip)
        ax.vlines(rows["layers"], rows["solved_low"], rows["solved_high"], color=look.color, linewidth=0.7, alpha=0.5)
        ax.plot(
            rows["layers"], rows["solved_fraction"], color=look.color, marker=look.marker, linestyle=_DASHES[skip],
            label=look.label, clip_on=False,
        )  # fmt: skip
    frames.doubling_axis(ax, "layers (log axis)", frame["layers"].tolist())
    frames.share_axis(ax, "solved share")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend: the kinds of skip connections."""
    looks = [(style.skip_look(skip), _DASHES[skip]) for skip in SKIPS if (frame["skip"] == skip).any()]
    return [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=dash, label=look.label) for look, dash in looks
    ]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Solved share against depth, {frames.counts(frame)} seeds a setting; bars: exact 95 % interval. A network of "
        "one layer has nothing to skip and stands at the beginning of every line."
    )


@style.report_style()
def depth(study: StudyData) -> panels.Drawing:
    """Draw the solved share and, below it, the error against layers, a line for each kind of skip connection."""
    parts = depth_frames(study)
    columns = min(_PER_ROW, len(parts))
    lines = -(-len(parts) // columns)
    figure, axes = panels.grid(2 * lines, columns, [1.35, 1.35], sharex=True, sharey="row")
    drawn_rows = []
    for place in range(lines * columns):
        upper, lower = (axes[2 * (place // columns) + below, place % columns] for below in (0, 1))
        if place >= len(parts):
            panels.blank(upper)
            panels.blank(lower)
            continue
        drawn_rows.append(_draw(upper, lower, parts[place]))
        if place % columns == 0:
            upper.set_ylabel("solved share\n(bars: exact 95 %)", fontsize=6.5)
            lower.set_ylabel(parts[place].error_name.replace(" (", "\n("), fontsize=6.5)
        lower.set_xlabel("layers (log axis)")
    explanation = "error: median bold, every seed faint, diverged trials at the floor; one layer has nothing to skip"
    panels.caption(figure, study, "Depth", explanation)
    skips = [skip for skip in SKIPS if any((part.frame["skip"] == skip).any() for part in parts)]
    looks = [style.skip_look(skip) for skip in skips]
    handles = [Line2D([], [], color=look.color, marker=look.marker, label=look.label) for look in looks]
    panels.legend_below(figure, handles)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw(upper: Axes, lower: Axes, part: Panel) -> pd.DataFrame:
    """Draw one panel's two frames and return their numbers."""
    titles = filter(None, [style.task_label(part.task), part.ways_label, part.seeds])
    upper.set_title("\n".join(titles), loc="left", fontsize=6.5)
    depths = sorted(part.frame["layers"].unique())
    for ax in (upper, lower):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_locator(FixedLocator(depths))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlim(depths[0] / 1.25, depths[-1] * 1.25)
    upper.set_ylim(-0.04, 1.04)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    lower.set_ylim(-0.04 * part.floor, 1.2 * part.floor)
    panels.reference_line(lower, part.floor, f"floor {part.floor:.3g}")
    drawn_rows = []
    of_skips = _by_skip(part)
    for place, (skip, rows) in enumerate(of_skips):
        drawn_rows.append(_numbers(part, skip, rows))
        _draw_line(upper, lower, drawn_rows[-1], rows, _APART ** (place - (len(of_skips) - 1) / 2))
    return pd.concat(drawn_rows, ignore_index=True)


def _numbers(part: Panel, skip: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of one line, a row for each depth."""
    first = rows.iloc[0]
    names = {"task": part.task, "ways": part.ways_label, "cell": first["cell"], "clip": first["clip"], "skip": skip}
    return pd.DataFrame([names | _at_depth(subset) for _, subset in rows.groupby("layers", sort=True)])


def _at_depth(rows: pd.DataFrame) -> dict[str, Any]:
    counted = rows[rows["counted"]].sort_values("seed")
    solved, n = int(counted["solved"].sum()), len(counted)
    share = share_interval(solved, n)
    return {
        "layers": int(rows["layers"].iloc[0]),
        "n": n,
        "N": len(rows),
        "solved_count": solved,
        "solved_fraction": solved / n if n else np.nan,
        "solved_low": share.low if share else np.nan,
        "solved_high": share.high if share else np.nan,
        "error": counted["charged_error"].median(),
        "errors": " ".join(f"{error:.6g}" for error in counted["charged_error"]),
    }


def _draw_line(upper: Axes, lower: Axes, numbers: pd.DataFrame, rows: pd.DataFrame, shift: float) -> None:
    look = style.skip_look(str(numbers["skip"].iloc[0]))
    x = numbers["layers"].to_numpy(dtype=float) * shift
    upper.vlines(x, numbers["solved_low"], numbers["solved_high"], color=look.color, linewidth=0.8, alpha=0.5)
    how: dict[str, Any] = {"color": look.color, "marker": look.marker, "linewidth": 1.1, "clip_on": False}
    upper.plot(x, numbers["solved_fraction"], **how)
    counted = rows[rows["counted"]]
    lower.plot(
        counted["layers"] * shift, counted["charged_error"],
        ".", color=look.color, alpha=style.FAINT, markersize=4, markeredgewidth=0,
    )  # fmt: skip
    lower.plot(x, numbers["error"], **how)
