"""Draws reach by lag: how much of the signal from k steps back arrives, before and after training."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from longlag.report.figures import curves, panels, style
from longlag.report.figures.support import frames
from longlag.report.lens.numbers import SMALLEST, at_start, has_lens, heading, middle_line, reach_by_lag, reach_numbers
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData
from longlag.values.frames import END, START

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]


def has_reach(study: StudyData) -> bool:
    """Return whether the lens reach has measured anything in any trial."""
    return has_lens(study, "reach")


@style.report_style()
def reach(study: StudyData) -> panels.Drawing:
    """Draw signal against lag, a row for each panel, a column before training and one after it for each clip."""
    parts = [part for part in study_panels(study) if _numbers(study, part, START, None).size]
    ended = bool((reach_numbers(study)["phase"] == END).any())
    clips = curves.all_clips(parts) if ended else []
    columns: list[tuple[str, str | None]] = [(START, None), *((END, clip) for clip in clips)]
    figure, axes = panels.grid(len(parts), len(columns), [1.65], sharex="row", sharey="row")
    drawn_rows = []
    for part, row in zip(parts, axes, strict=True):
        for place, ((phase, clip), ax) in enumerate(zip(columns, row, strict=True)):
            if place == 0:
                header = ax.set_title(f"{heading(part)}\n ", loc="left", fontweight="bold")
                header.set_in_layout(False)  # else the first column would be as wide as its row's name
            ax.set_title("\n" + ("before training" if clip is None else f"trained, {style.clip_label(clip)}"))
            drawn_rows.append(_draw(ax, study, part, phase, clip))
        row[0].set_ylim(_lowest(drawn_rows[-len(columns) :]), 2)
        row[0].set_ylabel("signal, share of the\nstrongest, log axis", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("steps back")
    bound = bool(pd.to_numeric(reach_numbers(study)["fading"]).lt(1).any())
    explanation = (
        "gradient of the answer's margin by the input so many steps back: median of 64 sequences, then of seeds, with "
        "the 10 to 90 % range of the sequences; the grey line is the furthest step that must be seen; "
        f"{_on_bound(bound)}"
    )
    panels.caption(figure, study, "Reach", explanation)
    dashed = Line2D([], [], color=panels.GREY, linestyle=(0, (3, 2)), linewidth=0.8, label="bound")
    panels.legend_below(figure, [*panels.cell_handles(curves.all_cells(parts)), *([dashed] if bound else [])])
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _numbers(study: StudyData, part: Panel, phase: str, clip: str | None) -> pd.DataFrame:
    rows = reach_numbers(study)
    rows = rows[rows["key"].isin(part.frame["key"]) & (rows["phase"] == phase)]
    return at_start(rows) if clip is None else rows[rows["clip"] == clip]


def _draw(ax: Axes, study: StudyData, part: Panel, phase: str, clip: str | None) -> pd.DataFrame:
    """Draw one frame and return its numbers."""
    numbers, lags = _numbers(study, part, phase, clip), reach_by_lag(study)
    lags = lags[lags["phase"] == phase]
    drawn_rows = []
    for cell in part.cells:
        of_cell = numbers[numbers["cell"] == cell]
        rows = lags[lags["key"].isin(of_cell["key"])]
        if rows.empty:
            continue
        middle, look = middle_line(rows), style.cell_look(cell)
        low, high = (middle_line(rows, name).clip(lower=SMALLEST) for name in ("low", "high"))
        heard = middle[middle > 0].clip(lower=SMALLEST)
        ax.fill_between(low.index, low, high, color=look.color, alpha=0.08, linewidth=0)
        ax.plot(heard.index, heard, color=look.color, linewidth=1.2)
        ax.plot(heard.index[-1:], heard[-1:], color=look.color, marker=look.marker, clip_on=False)
        fading = pd.to_numeric(of_cell["fading"]).median()
        if fading < 1:
            ax.plot(
                middle.index, fading ** middle.index.to_numpy(), color=look.color, linestyle=(0, (3, 2)), linewidth=0.8
            )
        names = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip or "", "phase": phase}
        columns = {"lag": middle.index, "median": middle, "low": low, "high": high, "bound": fading**middle.index}
        drawn_rows.append(pd.DataFrame(names | {name: list(values) for name, values in columns.items()}))
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    needed = numbers["needed_lag"].dropna()
    if len(needed):
        ax.axvline(float(needed.iloc[0]), color=panels.GREY, linewidth=0.6, zorder=1)
    return pd.concat(drawn_rows, ignore_index=True) if drawn_rows else pd.DataFrame()


def _lowest(drawn_rows: list[pd.DataFrame]) -> float:
    """Return the lower end of the axis of a row of frames, below every median that is not 0."""
    heard = [value for rows in drawn_rows if len(rows) for value in rows["median"] if value > 0]
    return max(min(heard, default=1.0) / 2, SMALLEST / 2)


PANELS = ("task", "ways", "clip")
_BOUND: style.LineStyle = (0, (3, 2))


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting, phase (before and after training) and lag.

    Columns: ``task, ways, cell, clip`` (``before training`` in that phase), ``phase, n, lag, median, low, high, bound,
    needed_lag``. The signals are medians over seeds, at least `SMALLEST`.
    """
    if not has_reach(study):
        return pd.DataFrame()
    rows, lags = reach_numbers(study), reach_by_lag(study)
    tables = []
    for part in study_panels(study):
        mine = rows[rows["key"].isin(part.frame["key"])]
        settings = [(START, "before training", at_start(mine))]
        settings += [(END, clip, mine[(mine["phase"] == END) & (mine["clip"] == clip)]) for clip in part.clips]
        for phase, clip, some in settings:
            for cell, of_cell in some.groupby("cell", sort=False):
                heard = lags[(lags["phase"] == phase) & lags["key"].isin(of_cell["key"])]
                names = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip, "phase": phase}
                tables.append(_of_setting(of_cell, heard).assign(**names, n=of_cell["key"].nunique()))
    frame = pd.concat(tables, ignore_index=True)
    first = ["task", "ways", "cell", "clip", "phase", "n"]
    return frame[[*first, *(name for name in frame if name not in first)]]


def _of_setting(rows: pd.DataFrame, heard: pd.DataFrame) -> pd.DataFrame:
    middle = middle_line(heard)
    fading = pd.to_numeric(rows["fading"]).median()
    needed = rows["needed_lag"].dropna()
    signals = {"median": middle, "low": middle_line(heard, "low"), "high": middle_line(heard, "high")}
    return pd.DataFrame(
        {
            "lag": middle.index,
            **{name: values.clip(lower=SMALLEST).to_numpy() for name, values in signals.items()},
            "bound": fading ** middle.index.to_numpy(float) if fading < 1 else float("nan"),
            "needed_lag": float(needed.iloc[0]) if len(needed) else float("nan"),
        }
    )


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the signal against the lag for each cell and clip, with spread, bound and the furthest step needed.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    for place, line in enumerate(frames.lines_of(frame)):
        rows = line.rows.sort_values("lag")
        ax.fill_between(rows["lag"], rows["low"], rows["high"], color=line.color, alpha=0.1, linewidth=0)
        every = max(1, len(rows) // 4)
        ax.plot(
            rows["lag"], rows["median"], color=line.color, linestyle=line.dashes, marker=line.marker,
            markevery=(place % every, every), label=line.label,
        )  # fmt: skip
        ax.plot(rows["lag"], rows["bound"], color=line.color, linestyle=_BOUND, linewidth=0.8)
    low = max(float(frame["median"].min()) / 2, SMALLEST / 2)
    ax.set_yscale("log")
    ax.set_ylim(low, 2)
    frames.decade_ticks(ax, frames.decades(low, 2))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    if frame["needed_lag"].notna().any():
        ax.axvline(float(frame["needed_lag"].dropna().iloc[0]), color=panels.GREY, linewidth=0.8, zorder=1)
    ax.set_xlabel("steps back")
    ax.set_ylabel("signal (share of the strongest)")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    bound = [frames.reference("bound", _BOUND)] if frame["bound"].notna().any() else []
    needed = [frames.reference("furthest step needed")] if frame["needed_lag"].notna().any() else []
    return [*frames.line_handles(frame), *bound, *needed]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Gradient of the answer's margin by the input so many steps back, {frames.counts(frame)} networks a setting: "
        f"median of 64 sequences, then of seeds, with the 10 to 90 % range of the sequences; "
        f"{_on_bound(bool(frame['bound'].notna().any()))}."
    )


def _on_bound(drawn: bool) -> str:
    """Say what the dashes are, or why there are none."""
    bound = "the bound (g s_max)^k on the state's signal, which is one of plain networks of one layer in one direction"
    return f"dashed {bound}, where it falls" if drawn else f"without {bound}: it does not fall, or these are others"
