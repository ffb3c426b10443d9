"""Draws reach during training beside learning curves: does the signal arrive before the error falls?"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from longlag.report.figures import learning_curves, panels, style
from longlag.report.figures.curves import all_cells
from longlag.report.lens.numbers import heading, middle_line, phases_of, reach_by_lag, reach_numbers
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData
from longlag.values.frames import PHASES

_LOWEST = 1e-6
_GAP = 0.35
"""The gap between the columns of two cells."""


def has_reach_training(study: StudyData) -> bool:
    """Return whether the lens reach has measured networks during training."""
    return len(phases_of(study.lenses[study.lenses["lens"] == "reach"])) > 1


@style.report_style()
def reach_training(study: StudyData) -> panels.Drawing:
    """Draw every cell's signal by lag during training, and the errors, for each panel and its first clip."""
    parts = study_panels(study)
    figure, axes = panels.grid(len(parts), 2, [1.75], width=style.INCHES[3], width_ratios=[1.5, 1])
    drawn_rows = []
    image: QuadMesh | None = None
    for part, (left, right) in zip(parts, axes, strict=True):
        clip = part.clips[0]
        numbers, drawn = _draw_maps(left, study, part, clip)
        image = drawn or image
        drawn_rows.append(numbers)
        errors = learning_curves.of_panel(study, part, clip)
        if len(errors):
            learning_curves.draw(errors, right)
            right.set_xlabel("")
        panels.titles(left, f"{heading(part)} · {style.clip_label(clip)}", "")
        left.set_ylabel("steps back")
        right.set_ylabel(panels.error_label(part.error_name), fontsize=6)
    axes[-1, 1].set_xlabel("updates")
    if image is not None:
        bar = figure.colorbar(image, ax=axes[:, 0], location="bottom", shrink=0.7, aspect=50, pad=0.01)
        bar.set_label("signal, share of the strongest")
    explanation = (
        "left: median signal from so many steps back, for each cell before training, at a quarter of the budget and "
        "where training ended; the white line is the furthest step that must be seen; right: the errors meanwhile"
    )
    panels.caption(figure, study, "Reach over training", explanation)
    panels.legend_below(figure, panels.cell_handles(all_cells(parts)))
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw_maps(ax: Axes, study: StudyData, part: Panel, clip: str) -> tuple[pd.DataFrame, QuadMesh | None]:
    """Draw the signals of each cell side by side; return the numbers, and one of the images if there are any."""
    tables, places = [], []
    image: QuadMesh | None = None
    for place, cell in enumerate(part.cells):
        numbers = _numbers(study, part, cell, clip)
        if numbers.empty:
            continue
        tables.append(numbers)
        wide = numbers.pivot_table(index="lag", columns="column", values="median").reindex(columns=[0, 1, 2])
        steps = wide.index.to_numpy(float)
        across = place * (3 + _GAP) + np.arange(4.0)
        along = np.concatenate([steps - 0.5, [steps[-1] + 0.5]])
        values = np.maximum(wide.to_numpy(), _LOWEST)  # NaN stays
        image = ax.pcolormesh(across, along, values, norm=LogNorm(_LOWEST, 1), cmap="viridis", rasterized=True)
        places.append((across.mean(), style.cell_label(cell)))
    rows = reach_numbers(study)
    needed = rows.loc[rows["key"].isin(part.frame["key"]), "needed_lag"].dropna()
    if len(needed):
        ax.axhline(float(needed.iloc[0]), color="w", linewidth=0.9, linestyle=(0, (3, 2)))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.set_xticks([place for place, _ in places], [name.replace(" ", "\n") for _, name in places], fontsize=5.5)
    ax.tick_params(axis="x", length=0)
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()), image


def _numbers(study: StudyData, part: Panel, cell: str, clip: str) -> pd.DataFrame:
    """Return the median signal of a cell by phase and lag."""
    lags = reach_by_lag(study)
    lags = lags[lags["key"].isin(part.of(cell, clip)["key"])]
    columns = []
    for phase in phases_of(lags):
        rows = lags[lags["phase"] == phase]
        middle = middle_line(rows)
        names = {
            "task": part.task,
            "ways": part.ways_label,
            "cell": cell,
            "clip": clip,
            "phase": phase,
            "column": PHASES.index(phase),
            "update": rows.groupby("key")["update"].first().median(),
        }
        columns.append(pd.DataFrame(names | {"lag": middle.index, "median": middle.to_numpy()}))
    return pd.concat(columns, ignore_index=True) if columns else pd.DataFrame()
