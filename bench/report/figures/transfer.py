"""Length transfer: the error at other distances than those of training, as a figure and a table."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from longlag.report.figures import curves, panels, style
from longlag.report.figures.support import frames
from longlag.report.memo import once
from longlag.report.outcomes import SETTING, Panel, in_order, into_panels, outcomes, seeds, several
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip")
_POINT = ["key", "lag", "min_lag", "baseline_error", "solved_below", "error"]
_COLUMNS = 3
MOST_TICKS = 6
"""The most distances that have a tick each; more labels would overlap."""
_SHADE = "0.9"


def has_transfer(study: StudyData) -> bool:
    """Return whether any trial was tested at other distances."""
    return not study.transfer.empty


@once
def errors_by_lag(study: StudyData) -> pd.DataFrame:
    """Return one row for each trial with a result and each distance tested, in the order of `outcomes`.

    Columns: those of `outcomes`, with its lag renamed to ``trained_to``; ``lag, min_lag, baseline_error, solved_below``
    of the distance tested; ``trained_from``; and ``error``, which is the floor at that distance if the trial diverged.
    """
    frame = outcomes(study)
    frame = frame[frame["counted"] & (frame["test_lags"] != "")].rename(columns={"lag": "trained_to"})
    known = study.transfer.merge(frame[["key", "task", "test_lags"]], on="key")
    distances = known.drop(columns=["key", "error"]).drop_duplicates(["task", "test_lags", "lag"])
    rows = frame.drop(columns=[name for name in _POINT[2:] if name in frame])
    rows = rows.merge(distances, on=["task", "test_lags"], how="inner")
    rows = rows.merge(study.transfer[["key", "lag", "error"]], on=["key", "lag"], how="left")
    rows["error"] = rows["error"].fillna(rows["baseline_error"])
    return in_order(rows)


def transfer_table(study: StudyData) -> pd.DataFrame:
    """Summarise the errors by setting and distance, with settings in the order of reports.

    Columns: the task and the axes that vary, ``trained_from``, ``trained_to``, ``lag``, ``times`` (the lag divided by
    the longest trained lag), ``n``, ``error, error_min, error_max`` (median and range over seeds), ``floor``,
    ``solved_count`` and ``solved_fraction`` (of seeds with an error that counts as solved at that distance).
    """
    frame = errors_by_lag(study)
    axes = ["task", *(name for name in several(study.plan) if name != "task")]
    groups = frame.groupby([*SETTING, "lag"], sort=False, dropna=False)
    rows = pd.DataFrame([_row(part, axes) for _, part in groups])
    settings = rows.groupby(axes, sort=False, dropna=False).ngroup()
    return rows.iloc[np.lexsort([rows["lag"], settings])].reset_index(drop=True)


def _row(part: pd.DataFrame, axes: list[str]) -> dict[str, Any]:
    first = part.iloc[0]
    solved = int((part["error"] < part["solved_below"]).sum())
    return {name: first[name] for name in (*axes, "trained_from", "trained_to", "lag")} | {
        "times": first["lag"] / first["trained_to"],
        "n": len(part),
        "error": part["error"].median(),
        "error_min": part["error"].min(),
        "error_max": part["error"].max(),
        "floor": first["baseline_error"],
        "solved_count": solved,
        "solved_fraction": solved / len(part),
    }


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting and distance.

    Columns: ``task, ways, cell, clip, trained_from, trained_to, lag, n, error, error_min, error_max`` (median and
    range over seeds; diverged trials count as the floor of the distance), ``floor, error_name``.
    """
    if not has_transfer(study):
        return pd.DataFrame()
    points = []
    for part in into_panels(errors_by_lag(study)):
        for (cell, clip, lag), rows in part.frame.groupby(["cell", "clip", "lag"], sort=False):
            setting = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip}
            middle = _row(rows, [])
            names = ("trained_from", "trained_to", "n", "error", "error_min", "error_max", "floor")
            points.append(
                setting | {"lag": lag, **{name: middle[name] for name in names}, "error_name": part.error_name}
            )
    return pd.DataFrame(points).sort_values(["task", "ways", "cell", "clip", "lag"], kind="stable", ignore_index=True)


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw error against distance, a line for each cell and clip, with ranges over seeds and trained lags shaded.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    first = frame.iloc[0]
    ax.axvspan(first["trained_from"] / 1.06, first["trained_to"] * 1.06, color=_SHADE, linewidth=0, zorder=0)
    floors = frame.drop_duplicates("lag").sort_values("lag")
    ax.plot(floors["lag"], floors["floor"], color=frames.GREY, linewidth=0.8, zorder=1)
    for line in frames.lines_of(frame):
        rows = line.rows.sort_values("lag")
        ax.vlines(rows["lag"], rows["error_min"], rows["error_max"], color=line.color, linewidth=0.7, alpha=0.5)
        ax.plot(
            rows["lag"], rows["error"], color=line.color, linestyle=line.dashes, marker=line.marker, label=line.label
        )
    frames.doubling_axis(ax, "lag tested (log axis)", frame["lag"].tolist())
    top = 1.08 * float(frame[["error_max", "floor"]].to_numpy().max())
    ax.set_ylim(-0.04 * top, top)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter(FuncFormatter(frames.plain_number))
    ax.set_ylabel(frames.error_label(frame))
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    return [*frames.line_handles(frame), frames.reference("floor"), Patch(color=_SHADE, label="lags trained at")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Error at lags other than that of training, {frames.counts(frame)} seeds a setting: median and range, with "
        "the parameters at the end of training, solved or not; diverged trials count as the floor of the lag."
    )


@style.report_style()
def transfer(study: StudyData) -> panels.Drawing:
    """Draw error against distance in a frame for each panel, a line for each cell and clip, trained lags shaded."""
    parts = into_panels(errors_by_lag(study))
    columns = min(_COLUMNS, len(parts))
    rows = -(-len(parts) // columns)
    figure, axes = panels.grid(rows, columns, [2.0])
    for ax in axes.flat[len(parts) :]:
        panels.blank(ax)
    drawn_rows = [_draw_panel(ax, part) for ax, part in zip(axes.flat, parts, strict=False)]
    for ax in axes[-1] if rows == 1 else axes.flat[max(len(parts) - columns, 0) : len(parts)]:
        ax.set_xlabel("lag tested (time steps, log axis)")
    faint = f"every seed faint (at most {curves.MOST_FAINT})"
    explanation = (
        f"parameters at the end of training, solved or not; {faint}, median bold; diverged trials count as the floor"
    )
    panels.caption(figure, study, "Length transfer", explanation)
    handles = panels.cell_handles(curves.all_cells(parts))
    clips = curves.all_clips(parts)
    handles += [Line2D([], [], color="0.3", linestyle=style.clip_line(c), label=style.clip_label(c)) for c in clips]
    handles.append(Patch(color=_SHADE, label="lags trained at"))
    panels.legend_below(figure, handles)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw_panel(ax: Axes, part: Panel) -> pd.DataFrame:
    frame = part.frame
    panels.titles(ax, "", "")
    ax.set_title("\n".join([*_wrapped(part.label), seeds(frame.drop_duplicates("key"))]), loc="left", fontsize=6.5)
    ax.set_xscale("log", base=2)
    tested = sorted(frame["lag"].unique())
    if len(tested) <= MOST_TICKS:
        ax.set_xticks(tested)
        ax.minorticks_off()
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    low, high = frame["trained_from"].min(), frame["trained_to"].max()
    ax.axvspan(low / 1.06, high * 1.06, color=_SHADE, linewidth=0, zorder=0)
    floors = frame.drop_duplicates("lag").sort_values("lag")
    ax.plot(floors["lag"], floors["baseline_error"], color=panels.GREY, linewidth=0.6, zorder=1)
    last = floors.iloc[-1]
    ax.annotate(
        "floor", (last["lag"], last["baseline_error"]), (0, 1.5), textcoords="offset points",
        ha="right", fontsize=5.5, color=panels.GREY,
    )  # fmt: skip
    drawn_rows = []
    for cell, clip in ((cell, clip) for cell in part.cells for clip in part.clips):
        rows = part.of(cell, clip)
        if rows.empty:
            continue
        wide = rows.pivot(index="lag", columns="seed", values="error")
        look, middle = style.cell_look(cell), wide.median(axis=1)
        curves.draw_faint(ax, wide, look.color)
        ax.plot(middle.index, middle, color=look.color, linestyle=style.clip_line(clip), marker=look.marker)
        drawn_rows += list(_long(part, cell, clip, rows, middle))
    ax.set_ylim(bottom=-0.03 * ax.get_ylim()[1])
    ax.set_ylabel(panels.error_label(part.error_name), fontsize=6.5)
    return pd.concat(drawn_rows, ignore_index=True)


def _wrapped(label: str) -> list[str]:
    name, _, rest = label.partition(" (")
    return [name, f"({rest}"] if rest and len(label) > 28 else [label]


def _long(part: Panel, cell: str, clip: str, rows: pd.DataFrame, middle: pd.Series) -> Iterator[pd.DataFrame]:
    setting = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip}
    columns = ["seed", "trained_from", "trained_to", "lag", "baseline_error", "error"]
    yield (
        rows[columns]
        .rename(columns={"baseline_error": "floor"})
        .sort_values(["seed", "lag"])
        .assign(**setting)[[*setting, "seed", "trained_from", "trained_to", "lag", "floor", "error"]]
    )
    first = rows.drop_duplicates("lag").set_index("lag")
    yield pd.DataFrame(
        setting
        | {
            "seed": "median",
            "trained_from": first["trained_from"].reindex(middle.index).to_numpy(),
            "trained_to": first["trained_to"].reindex(middle.index).to_numpy(),
            "lag": middle.index.to_numpy(),
            "floor": first["baseline_error"].reindex(middle.index).to_numpy(),
            "error": middle.to_numpy(),
        }
    )
