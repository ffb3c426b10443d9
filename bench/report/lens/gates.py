"""Draws gates: units against time over one sequence, with its symbols on the axis, and histograms of gate values."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from longlag.report.figures import panels, style
from longlag.report.lens.lines import WHEN
from longlag.report.lens.numbers import has_lens, phases_of
from longlag.report.outcomes import outcomes
from longlag.store.flat import lens_tables
from longlag.store.results import StudyData

_TICKS = 60
"""The most symbols written on an axis; of longer sequences, symbols are written at regular distances."""


def has_gates(study: StudyData) -> bool:
    """Return whether the lens gates has measured anything in any trial."""
    return has_lens(study, "gates")


@style.report_style()
def gates(study: StudyData) -> panels.Drawing:
    """Draw a map of each gate with histograms, for the first trial of each task and cell at its last phase."""
    frame = outcomes(study)
    traces = lens_tables(study.lenses, "gates", "trace")
    bins = lens_tables(study.lenses, "gates", "histogram")
    rows = []
    for (_, _), some in frame[frame["key"].isin(traces["key"])].groupby(["task", "cell"], sort=False):
        first = some.iloc[0]
        own = traces[traces["key"] == first["key"]]
        phase = phases_of(own)[-1]
        own = own[own["phase"] == phase].dropna(axis="columns", how="all")
        names = [str(name) for name in own.columns if str(name).endswith("_gate")]
        rows += [(first, phase, own, name) for name in names]
    figure, axes = panels.grid(len(rows), 2, [1.25], width=style.INCHES[3], width_ratios=[4, 1])
    image = None
    drawn_rows = []
    for (first, phase, own, name), (left, right) in zip(rows, axes, strict=True):
        image = _draw_map(left, own, name)
        what = f"{style.task_label(first['task'])} · {style.cell_label(first['cell'])} · seed {first['seed']}"
        left.set_title(f"{what}: {name.replace('_', ' ')} {WHEN[phase]}", loc="left", fontsize=6.5)
        some = bins[
            (bins["key"] == first["key"]) & (bins["phase"] == phase) & (bins["gate"] == name.removesuffix("_gate"))
        ]
        right.bar(some["left"], some["share"], width=1 / max(len(some), 1), align="edge", color=panels.GREY)
        right.set_xlim(0, 1)
        right.tick_params(labelsize=5.5)
        right.set_title("share of all steps", fontsize=6)
        kept = own[["key", "phase", "step", "read", "unit"]].assign(gate=name, value=own[name])
        drawn_rows.append(kept)
    axes[-1, 0].set_xlabel("what was read")
    axes[-1, 1].set_xlabel("gate")
    if image is not None:
        figure.colorbar(image, ax=axes[:, 0], location="bottom", shrink=0.4, aspect=40, pad=0.01)
    explanation = (
        "one sequence: units sorted by their mean, from closed (dark) to open (bright); right: all 64 sequences"
    )
    panels.caption(figure, study, "Gates", explanation)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw_map(ax: Axes, own: pd.DataFrame, name: str) -> QuadMesh:
    wide = own.pivot_table(index="unit", columns="step", values=name)
    wide = wide.loc[wide.mean(axis=1).sort_values(kind="stable").index]
    image = ax.pcolormesh(wide.to_numpy(), vmin=0, vmax=1, cmap="viridis", rasterized=True)
    read = own.drop_duplicates("step").set_index("step")["read"]
    every = -(-len(read) // _TICKS)
    places = np.arange(0, len(read), every)
    size = 5.5 if max(map(len, read)) < 3 else 4
    ax.set_xticks(places + 0.5, [read.iloc[place] for place in places], fontsize=size, rotation=0 if size > 4 else 90)
    ax.set_ylabel("unit", fontsize=6)
    ax.tick_params(axis="y", labelsize=5.5)
    return image
