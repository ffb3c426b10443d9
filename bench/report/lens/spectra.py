"""Draws the eigenvalues of recurrent matrices in the complex plane, before and after training."""

import numpy as np
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.lens.lines import WHEN
from longlag.report.lens.numbers import has_lens, phases_of
from longlag.report.outcomes import outcomes
from longlag.store.flat import lens_tables
from longlag.store.results import StudyData
from longlag.values.frames import QUARTER

_PER_ROW = 4
_GATE_COLORS = ("#0B3C7D", "#2AA198", "#D55E00", "#A8327F", "#8C6D1F", "#6A51A3")


def has_spectra(study: StudyData) -> bool:
    """Return whether the lens spectrum has measured anything in any trial."""
    return has_lens(study, "spectrum")


@style.report_style()
def spectra(study: StudyData) -> panels.Drawing:
    """Draw the eigenvalues of every trial's matrices with the unit circle, in a frame for each cell and phase."""
    rows = lens_tables(study.lenses, "spectrum", "eigenvalues").drop(columns="part")
    rows = rows.merge(outcomes(study)[["key", "task", "cell", "clip", "seed"]], on="key", how="inner")
    rows = rows[rows["phase"] != QUARTER]
    cells = sorted(rows["cell"].unique(), key=style.cell_rank)
    frames = [(cell, phase) for cell in cells for phase in phases_of(rows[rows["cell"] == cell])]
    columns = min(_PER_ROW, len(frames))
    count = -(-len(frames) // columns)
    figure, axes = panels.grid(count, columns, [2.0], width=max(style.INCHES[1], 1.85 * columns))
    for ax in axes.flat[len(frames) :]:
        panels.blank(ax)
    matrices = list(dict.fromkeys(rows["matrix"]))
    colors = {name: _GATE_COLORS[place % len(_GATE_COLORS)] for place, name in enumerate(matrices)}
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for (cell, phase), ax in zip(frames, axes.flat, strict=False):
        ax.plot(circle.real, circle.imag, color=panels.GREY, linewidth=0.6, zorder=3)
        some = rows[(rows["cell"] == cell) & (rows["phase"] == phase)]
        for name, points in some.groupby("matrix", sort=False):
            ax.plot(points["real"], points["imaginary"], ".", color=colors[str(name)], markersize=2, alpha=0.6)
        edge = 1.1 * max(1.0, some["real"].abs().max(), some["imaginary"].abs().max())
        ax.set_xlim(-edge, edge)
        ax.set_ylim(-edge, edge)
        ax.set_aspect("equal", "box")
        ax.set_title(f"{style.cell_label(cell)}\n{WHEN[phase]}", fontsize=6.5)
        ax.tick_params(labelsize=5.5)
    explanation = (
        "eigenvalues of each recurrent matrix, all trials, and the unit circle; real part across, imaginary part up"
    )
    panels.caption(figure, study, "Spectra", explanation)
    handles = [Line2D([], [], color=color, marker=".", linestyle="none", label=name) for name, color in colors.items()]
    panels.legend_below(figure, handles)
    return panels.Drawing(figure, rows)
