"""Writes timings as a table, as JSON, and as one figure per part."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from longlag.perf.measure import Timing
from longlag.report.figures.style import report_style


def frame(timings: Sequence[Timing]) -> pd.DataFrame:
    """Return a table with one row for each timing."""
    return pd.DataFrame([timing.row() for timing in timings])


def line(one: Timing) -> str:
    """Return a timing as one line for a terminal."""
    wide, narrow = (46, 34) if one.part == "study" else (12, 52)
    start = f"{one.part:8} {one.what:{wide}} {one.setting:{narrow}} {1000 * one.ours:10.2f} ms"
    if one.theirs is None or one.ratio is None:
        return start
    if one.part == "study":
        return f"{start}  {one.ratio:5.0%}"
    spread = f"{min(one.ratios):.2f} to {max(one.ratios):.2f}"
    return f"{start}  {one.reference:24} {1000 * one.theirs:10.2f} ms  {one.ratio:.2f} times  ({spread})"


def write(timings: Sequence[Timing], environment: dict[str, str], folder: Path) -> list[Path]:
    """Write table, JSON and figures into a folder; return the files.

    Args:
        timings: The timings.
        environment: Versions and processor.
        folder: The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = frame(timings)
    rows.to_csv(folder / "perf.csv", index=False, lineterminator="\n")
    (folder / "perf.json").write_text(as_json(timings, environment), encoding="utf-8")
    paths = [folder / "perf.csv", folder / "perf.json"]
    for part, of_part in rows.dropna(subset=["ratio"]).groupby("part", sort=False):
        if part == "study":  # shares, whose figure would be the table
            continue
        path = folder / f"{part}.png"
        _draw(str(part), of_part, path)
        paths.append(path)
    return paths


def as_json(timings: Sequence[Timing], environment: dict[str, str]) -> str:
    """Return the timings and the environment as JSON."""
    content = {"schema": 1, "environment": environment, "rows": [timing.row() for timing in timings]}
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


@report_style()
def _draw(part: str, rows: pd.DataFrame, path: Path) -> None:
    """Draw the median ratios of one part with their ranges, and a line at 1."""
    labels = rows["what"] + ", " + rows["setting"]
    figure = Figure(figsize=(7, 0.9 + 0.16 * labels.nunique()), layout="constrained")
    ax = figure.subplots()
    seaborn.stripplot(x=rows["ratio"], y=labels, hue=rows["reference"], palette="colorblind", ax=ax, jitter=False)
    for place, label in enumerate(labels.unique()):
        for _, row in rows[labels == label].iterrows():
            ax.plot([row["ratio_low"], row["ratio_high"]], [place, place], color="0.6", linewidth=1, zorder=0)
    ax.axvline(1, color="0.35", linewidth=0.6)
    ax.set_xscale("log")
    ax.set_xlabel("time of the reference ÷ our time (log axis; right of 1: ours is faster; lines: all pairs)")
    ax.set_ylabel("")
    ax.set_title(f"{part}: median of {len(rows)} comparisons", loc="left")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
    figure.savefig(path, metadata={"Software": None})
