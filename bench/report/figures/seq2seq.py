"""Draws the solved share by encoder depth and decoder depth, with a map for each kind of skip connection."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from longlag.report.figures import panels, style
from longlag.report.memo import once
from longlag.report.outcomes import Panel, into_panels, outcomes, seeds
from longlag.report.text import tables
from longlag.store.results import StudyData
from longlag.values.wiring import NO_DECODER, SKIPS

_DRAWN = ("layers", "decoder_layers", "skip")
_DARK = 0.55
"""The solved share above which the numbers on a square are white."""


@once
def seq2seq_frames(study: StudyData) -> list[Panel]:
    """Return a panel for each cell, clip and way of training with encoder-decoders of several depths."""
    frame = outcomes(study)
    frame = frame[frame["decoder_cell"] != NO_DECODER]
    matched = "matched" in frame and frame["matched"].notna().any()
    drawn = (*_DRAWN, "hidden_size") if matched else _DRAWN  # depths with equal parameters differ in width
    frames = []
    for part in into_panels(frame, drawn):
        for (cell, clip), rows in part.frame.groupby(["cell", "clip"], sort=False):
            if len(rows[["layers", "decoder_layers"]].drop_duplicates()) > 1:
                names = {"cell": cell} if len(part.cells) > 1 else {}
                names |= {"clip": clip} if len(part.clips) > 1 else {}
                frames.append(Panel(part.task, names | part.ways, rows))
    return frames


def has_seq2seq(study: StudyData) -> bool:
    """Return whether encoder-decoders of more than one pair of depths were trained."""
    return bool(seq2seq_frames(study))


@style.report_style()
def seq2seq(study: StudyData) -> panels.Drawing:
    """Draw a row of maps for each panel: encoder depth against decoder depth, for each kind of skip connection."""
    parts = seq2seq_frames(study)
    skips = [skip for skip in SKIPS if any((part.frame["skip"] == skip).any() for part in parts)]
    figure, axes = panels.grid(len(parts), len(skips), [1.7])
    drawn_rows = []
    for line, part in zip(axes, parts, strict=True):
        for place, (ax, skip) in enumerate(zip(line, skips, strict=True)):
            drawn_rows.append(_draw(ax, part, skip))
            column = style.skip_look(skip).label
            if place == 0:
                explanation = ", ".join(filter(None, [style.task_label(part.task), part.ways_label, seeds(part.frame)]))
                column = f"{explanation}\n{column}"
                ax.set_ylabel("encoder layers")
            ax.set_title(column, loc="left", fontsize=6.5)
            ax.set_xlabel("decoder layers")
    explanation = (
        "dark: solved by all seeds; numbers: seeds that solve, then median error; one layer each has nothing to skip"
    )
    panels.caption(figure, study, "Depth of encoder and decoder", explanation)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw(ax: Axes, part: Panel, skip: str) -> pd.DataFrame:
    """Draw one map and return its numbers."""
    depths = [sorted(part.frame[name].unique()) for name in ("layers", "decoder_layers")]
    flat = (part.frame["layers"] == 1) & (part.frame["decoder_layers"] == 1)
    rows = part.frame[flat | (part.frame["skip"] == skip)]
    numbers = pd.DataFrame([_field(part, skip, subset) for _, subset in rows.groupby(["layers", "decoder_layers"])])
    shares = np.full([len(some) for some in depths], np.nan)
    for _, field in numbers.iterrows():
        y, x = depths[0].index(field["layers"]), depths[1].index(field["decoder_layers"])
        shares[y, x] = field["solved_fraction"]
        count = f"{field['solved_count']}/{field['n']}" if field["n"] else "-"
        error = tables.number(field["error"]) if field["n"] else ""
        color = "white" if field["solved_fraction"] > _DARK else "black"
        ax.text(x, y, f"{count}\n{error}", ha="center", va="center", fontsize=6, color=color)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, origin="lower", aspect="auto")
    ax.set_xticks(range(len(depths[1])), [str(depth) for depth in depths[1]])
    ax.set_yticks(range(len(depths[0])), [str(depth) for depth in depths[0]])
    ax.tick_params(length=0)
    return numbers


def _field(part: Panel, skip: str, rows: pd.DataFrame) -> dict[str, Any]:
    first, counted = rows.iloc[0], rows[rows["counted"]]
    solved, n = int(counted["solved"].sum()), len(counted)
    return {
        "task": part.task,
        "ways": part.ways_label,
        "cell": first["cell"],
        "clip": first["clip"],
        "skip": skip,
        "layers": int(first["layers"]),
        "decoder_layers": int(first["decoder_layers"]),
        "n": n,
        "N": len(rows),
        "solved_count": solved,
        "solved_fraction": solved / n if n else np.nan,
        "error": counted["charged_error"].median(),
    }
