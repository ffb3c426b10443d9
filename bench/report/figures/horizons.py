"""Reports how far back settings remember: a table and a figure of horizons."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longlag.report.figures import style
from longlag.stats.horizons import horizon
from longlag.store.results import write_csv

SETTING = ["task", "cell", "clip"]
TITLE = "How far back half of the seeds that learn at all still solve"


def horizons(rungs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a setting with its horizon.

    Args:
        rungs: One row a rung and setting, as `longlag.experiments.horizon.run` returns them.

    Returns:
        `SETTING`, ``horizon``, ``low``, ``high`` (missing where censored), ``shortest`` and ``longest`` (the lags
        tried), ``censored`` (``below``, ``beyond`` or empty), ``ceiling`` (the share that learns at all), ``text``,
        ``seeds``, ``budget`` (updates). Rungs without a result say
        nothing, and a setting that has no others is left out.
    """
    told = rungs[rungs["n"] > 0]
    return pd.DataFrame(
        [_horizon(tuple(map(str, setting)), rows) for setting, rows in told.groupby(SETTING, sort=True)]
    )


def _horizon(setting: tuple[str, ...], rows: pd.DataFrame) -> dict[str, object]:
    rows = rows.sort_values("lag")
    found = horizon(rows["lag"].tolist(), rows["solved"].tolist(), rows["n"].tolist(), *map(str, setting))
    return dict(zip(SETTING, setting, strict=True)) | {
        "horizon": found.lag,
        "low": found.low,
        "high": found.high,
        "shortest": found.shortest,
        "longest": found.longest,
        "censored": "" if found.lag is not None else "beyond" if found.beyond else "below",
        "ceiling": found.ceiling,
        "text": str(found),
        "seeds": int(rows["n"].max()),
        "budget": int(rows["budget_updates"].max()),
    }


def render(found: pd.DataFrame) -> str:
    """Return the horizons as aligned lines, farthest first within a task."""
    lines = []
    for task, rows in found.groupby("task", sort=True):
        lines.append(f"\n{style.task_label(str(task))}: lag at which half of the seeds that learn solve {budget(rows)}")
        ranked = rows.assign(rank=[_rank(row) for _, row in rows.iterrows()]).sort_values("rank", ascending=False)
        for row in ranked.to_dict("records"):
            names = f"{style.cell_label(row['cell']):24} {style.clip_label(row['clip']):14}"
            lines.append(f"  {names} {row['text']:20} n = {row['seeds']}")
    return "\n".join(lines).lstrip("\n") + "\n"


def markdown(found: pd.DataFrame) -> str:
    """Return the horizons as one table a task, a row a cell, a column a clip."""
    lines = [
        f"Lag (smallest window, time steps) at which half of the seeds that learn at all still solve {budget(found)}, "
        "at the rates of `rungs.csv`, with 95 % bootstrap interval; their share is said where it is below 1."
    ]
    for task, rows in found.groupby("task", sort=False):
        cells, clips = (sorted(rows[name].unique(), key=rank) for name, rank in _RANKS.items())
        texts = {(row["cell"], row["clip"]): row["text"] for row in rows.to_dict("records")}
        lines += ["", f"**{style.task_label(str(task))}** (n = {rows['seeds'].max()} a rung)", ""]
        lines += [f"| cell | {' | '.join(map(style.clip_label, clips))} |", "| :-- |" + " --: |" * len(clips)]
        for cell in cells:
            told = " | ".join(texts.get((cell, clip), "-") for clip in clips)
            lines.append(f"| {style.cell_label(cell)} | {told} |")
    return "\n".join([*lines, ""])


_RANKS: dict[str, Callable[[str], Any]] = {"cell": style.cell_rank, "clip": style.clip_rank}


def _rank(row: pd.Series) -> float:
    return float({"beyond": row["longest"] * 2.0, "below": 0.0}.get(row["censored"], row["horizon"]))


def write(rungs: pd.DataFrame, folder: Path) -> list[Path]:
    """Write rungs and horizons as CSV, the horizons as Markdown, and the figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    found = horizons(rungs)
    tables = [folder / name for name in ("rungs.csv", "horizons.csv", "horizons.md")]
    write_csv(rungs, tables[0])
    write_csv(found, tables[1])
    tables[2].write_text(markdown(found), encoding="utf-8", newline="\n")
    return [*tables, *_save(draw(found), folder / "horizons")]


@style.report_style()
def draw(found: pd.DataFrame) -> Figure:
    """Draw horizons with intervals, a frame a task, a line a cell, a mark a clip; arrows where they are censored."""
    tasks = list(found["task"].unique())
    cells = sorted(found["cell"].unique(), key=style.cell_rank)
    clips = sorted(found["clip"].unique(), key=style.clip_rank)
    height = 0.35 * len(cells) * max(1, len(clips) / 2) + 1.1
    figure = Figure(figsize=(max(3.4, 2.6 * len(tasks) + 1), height), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    for task, ax in zip(tasks, axes, strict=True):
        _draw_task(ax, found[found["task"] == task], cells, clips)
        ax.set_title(style.task_label(task), loc="left")
        ax.set_xlabel("horizon: smallest window (time steps, log axis)")
    axes[0].set_yticks(range(len(cells)), [style.cell_label(cell) for cell in cells])
    axes[0].invert_yaxis()
    figure.suptitle(f"{TITLE} {budget(found)} · {seeds(found)}", fontsize=7.5)
    return figure


def seeds(found: pd.DataFrame) -> str:
    """Say how many results stand behind a rung."""
    counts = sorted({int(found["seeds"].min()), int(found["seeds"].max())})
    return f"n = {' to '.join(map(str, counts))} a rung"


def budget(found: pd.DataFrame) -> str:
    """Say within how many updates."""
    ends = sorted({int(found["budget"].min()), int(found["budget"].max())})
    return f"within {' to '.join(map(str, ends))} updates"


def _draw_task(ax: Axes, rows: pd.DataFrame, cells: list[str], clips: list[str]) -> None:
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for row in rows.to_dict("records"):
        y = cells.index(row["cell"]) + 0.5 * (clips.index(row["clip"]) - (len(clips) - 1) / 2) / max(len(clips), 1)
        look, line = style.cell_look(row["cell"]), style.clip_line(row["clip"])
        at = {"beyond": row["longest"], "below": row["shortest"]}.get(row["censored"], row["horizon"])
        low = row["shortest"] if pd.isna(row["low"]) else row["low"]  # what is not known reaches to the ladder's end
        high = row["longest"] if pd.isna(row["high"]) else row["high"]
        ax.plot([low, high], [y, y], color=look.color, linestyle=line)
        marker = {"beyond": ">", "below": "<"}.get(row["censored"], look.marker)
        ax.plot([at], [y], color=look.color, marker=marker, linestyle="none")
        text = f"{style.clip_label(row['clip'])}: {row['text'].partition(' [')[0]}"
        ax.annotate(text, (high, y), (4, 0), textcoords="offset points", va="center", fontsize=5)
    ax.margins(x=0.3)


def _save(figure: Figure, path: Path) -> list[Path]:
    paths = [path.with_suffix(".png"), path.with_suffix(".pdf")]
    with style.report_style():
        figure.savefig(paths[0], metadata={"Software": None})
        figure.savefig(paths[1], metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return paths
