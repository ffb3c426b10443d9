"""Reports how far back settings remember: a table and a figure of horizons."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.figures.support import frames
from longlag.report.figures.support.ladders import rungs
from longlag.report.figures.support.looks import kept_apart
from longlag.stats.horizons import horizon
from longlag.store.results import StudyData, write_csv

SETTING = ["task", "cell", "clip"]
__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task",)
_CLIP_MARKS = ("o", "s", "^", "D", "v", "p")
"""The markers of clips, every other one open."""
TITLE = "How far back half of the seeds that learn at all still solve"


def horizons(rungs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each setting with its horizon.

    Args:
        rungs: One row for each rung and setting, as `longlag.experiments.horizon.run` returns them.

    Returns:
        `SETTING`, ``horizon``, ``low``, ``high`` (missing if censored), ``shortest`` and ``longest`` (the lags tried),
        ``censored`` (``below``, ``beyond`` or empty), ``ceiling`` (the share of seeds that learn at all), ``text``,
        ``seeds``, ``budget`` (updates). Rungs without a result are ignored; a setting that has no others is left out.
    """
    tried = rungs[rungs["n"] > 0]
    return pd.DataFrame(
        [_horizon(tuple(map(str, setting)), rows) for setting, rows in tried.groupby(SETTING, sort=True)]
    )


def _horizon(setting: tuple[str, ...], rows: pd.DataFrame) -> dict[str, object]:
    rows = rows.sort_values("lag")
    fitted = horizon(rows["lag"].tolist(), rows["solved"].tolist(), rows["n"].tolist(), *map(str, setting))
    return dict(zip(SETTING, setting, strict=True)) | {
        "horizon": fitted.lag,
        "low": fitted.low,
        "high": fitted.high,
        "shortest": fitted.shortest,
        "longest": fitted.longest,
        "censored": "" if fitted.lag is not None else "beyond" if fitted.beyond else "below",
        "ceiling": fitted.ceiling,
        "text": str(fitted),
        "seeds": int(rows["n"].max()),
        "budget": int(rows["budget_updates"].max()),
    }


def render(table: pd.DataFrame) -> str:
    """Return the horizons as aligned lines, longest first within a task."""
    lines = []
    for task, rows in table.groupby("task", sort=True):
        lines.append(f"\n{style.task_label(str(task))}: lag at which half of the seeds that learn solve {budget(rows)}")
        ranked = rows.assign(rank=[_rank(row) for _, row in rows.iterrows()]).sort_values("rank", ascending=False)
        for row in ranked.to_dict("records"):
            names = f"{style.cell_label(row['cell']):24} {style.clip_label(row['clip']):14}"
            lines.append(f"  {names} {row['text']:20} n = {row['seeds']}")
    return "\n".join(lines).lstrip("\n") + "\n"


def markdown(table: pd.DataFrame) -> str:
    """Return the horizons as Markdown: a table for each task, with a row for each cell and a column for each clip."""
    lines = [
        f"Lag (smallest window, time steps) at which half of the seeds that learn at all still solve {budget(table)}, "
        "at the rates of `rungs.csv`, with 95 % bootstrap interval; their share is said where it is below 1."
    ]
    for task, rows in table.groupby("task", sort=False):
        cells, clips = (sorted(rows[name].unique(), key=rank) for name, rank in _RANKS.items())
        texts = {(row["cell"], row["clip"]): row["text"] for row in rows.to_dict("records")}
        lines += ["", f"**{style.task_label(str(task))}** (n = {rows['seeds'].max()} a rung)", ""]
        lines += [f"| cell | {' | '.join(map(style.clip_label, clips))} |", "| :-- |" + " --: |" * len(clips)]
        for cell in cells:
            in_order = " | ".join(texts.get((cell, clip), "-") for clip in clips)
            lines.append(f"| {style.cell_label(cell)} | {in_order} |")
    return "\n".join([*lines, ""])


_RANKS: dict[str, Callable[[str], Any]] = {"cell": style.cell_rank, "clip": style.clip_rank}


def _rank(row: pd.Series) -> float:
    return float({"beyond": row["longest"] * 2.0, "below": 0.0}.get(row["censored"], row["horizon"]))


def write(rungs: pd.DataFrame, folder: Path) -> list[Path]:
    """Write rungs and horizons as CSV, the horizons as Markdown, and the figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    table = horizons(rungs)
    tables = [folder / name for name in ("rungs.csv", "horizons.csv", "horizons.md")]
    write_csv(rungs, tables[0])
    write_csv(table, tables[1])
    tables[2].write_text(markdown(table), encoding="utf-8", newline="\n")
    with kept_apart(table):
        return [*tables, *_save(figure_of(table), folder / "horizons")]


@style.report_style()
def figure_of(table: pd.DataFrame) -> Figure:
    """Draw horizons with intervals in a frame for each task, and their legend."""
    data = with_places(table)
    tasks = list(data["task"].unique())
    cells, clips = frames.cells_of(data), frames.clips_of(data)
    height = 0.3 * len(cells) * max(1, len(clips) / 2) + 1.3
    figure = Figure(figsize=(max(4.2, 2.6 * len(tasks) + 1), height), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False)[0]
    for task, ax in zip(tasks, axes, strict=True):
        draw(data[data["task"] == task], ax)
        ax.set_title(style.task_label(task), loc="left")
    panels.legend_below(figure, handles(data))
    figure.suptitle(f"{TITLE} {budget(table)} · {seeds(table)}", fontsize=7.5)
    return figure


def horizons_figure(study: StudyData) -> panels.Drawing:
    """Draw the horizons of a study's ladders."""
    table = horizons(rungs(study))
    figure = figure_of(table)
    explained = f"{seeds(table)}; fitted, with 95 % interval; an arrow: beyond the distances tried"
    panels.caption(figure, study, f"{TITLE} {budget(table)}", explained)
    return panels.Drawing(figure, with_places(table))


def numbers(study: StudyData) -> pd.DataFrame:
    """Return the horizons of a study's ladders, one row per setting, with the columns of `with_places`."""
    ladder = rungs(study)
    return with_places(horizons(ladder)) if (ladder["n"] > 0).any() else pd.DataFrame()


def with_places(table: pd.DataFrame) -> pd.DataFrame:
    """Return horizons with the columns ``ways, drawn_at, drawn_low, drawn_high``, where they are drawn.

    Numbers that are missing because a horizon is censored are replaced by the shortest or longest lag tried.
    """
    at = table["horizon"].where(table["censored"] == "", table["longest"].where(table["censored"] == "beyond"))
    drawn = {
        "drawn_at": at.fillna(table["shortest"]).astype(float),
        "drawn_low": table["low"].fillna(table["shortest"]).astype(float),
        "drawn_high": table["high"].fillna(table["longest"]).astype(float),
    }
    placed = table.assign(ways="", **drawn)
    return placed[["task", "ways", "cell", "clip", *(name for name in placed if name not in (*SETTING, "ways"))]]


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw horizons with intervals, a line for each cell and a marker for each clip; arrows show censored ones.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    cells, clips = frames.cells_of(frame), frames.clips_of(frame)
    for row in frame.to_dict("records"):
        place = clips.index(row["clip"])
        y = cells.index(row["cell"]) + 0.6 * (place - (len(clips) - 1) / 2) / max(len(clips), 1)
        look = style.cell_look(row["cell"])
        ax.plot([row["drawn_low"], row["drawn_high"]], [y, y], color=look.color, linewidth=1, solid_capstyle="butt")
        marker = {"beyond": ">", "below": "<"}.get(row["censored"], _CLIP_MARKS[place % len(_CLIP_MARKS)])
        fill = look.color if place % 2 == 0 else "white"
        ax.plot(
            [row["drawn_at"]], [y], color=look.color, marker=marker, linestyle="none", markerfacecolor=fill,
            clip_on=False,
        )  # fmt: skip
    tried = [*frame["shortest"], *frame["longest"]]
    doublings = np.geomspace(min(tried), max(tried), 1 + max(1, round(np.log2(max(tried) / min(tried)))))
    frames.doubling_axis(ax, "horizon (time steps, log axis)", [float(round(value)) for value in doublings])
    ax.set_yticks(range(len(cells)), [style.cell_label(cell) for cell in cells])
    ax.set_ylim(len(cells) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend: a marker for each clip, and the arrows if there are any."""
    entries: list[Artist] = []
    for place, clip in enumerate(frames.clips_of(frame)):
        fill = frames.GREY if place % 2 == 0 else "white"
        look = {"color": frames.GREY, "marker": _CLIP_MARKS[place % len(_CLIP_MARKS)], "markerfacecolor": fill}
        entries.append(Line2D([], [], linestyle="none", label=style.clip_label(clip), **look))  # type: ignore[arg-type]
    for censored, marker in (("beyond", ">"), ("below", "<")):
        if (frame["censored"] == censored).any():
            name = f"{censored} the lags tried"
            entries.append(Line2D([], [], color=frames.GREY, marker=marker, linestyle="none", label=name))
    return entries


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"{TITLE}, {budget(frame)}, {seeds(frame)}; the lag is the smallest window with which the task can be solved. "
        "Bars: 95 % bootstrap interval, which ends where lags were not tried."
    )


def seeds(table: pd.DataFrame) -> str:
    """Write how many results a rung has."""
    counts = sorted({int(table["seeds"].min()), int(table["seeds"].max())})
    return f"n = {' to '.join(map(str, counts))} a rung"


def budget(table: pd.DataFrame) -> str:
    """Write the budget: ``within 800 updates``, or with the smallest and the largest budget."""
    ends = sorted({int(table["budget"].min()), int(table["budget"].max())})
    return f"within {' to '.join(map(str, ends))} updates"


def _save(figure: Figure, path: Path) -> list[Path]:
    paths = [path.with_suffix(".png"), path.with_suffix(".pdf")]
    with style.report_style():
        figure.savefig(paths[0], metadata={"Software": None})
        figure.savefig(paths[1], metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return paths
