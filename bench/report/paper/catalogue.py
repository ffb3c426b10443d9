"""The figures that a paper can have; each draws a data frame on given axes and has no side effects."""

from typing import Protocol

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from longlag.report.figures import (
    agreement,
    clip_windows,
    cost,
    depth,
    horizons,
    learning_curves,
    profiles,
    solved,
    solved_by_lag,
    statuses,
    transfer,
    updates_to_solve,
)
from longlag.report.lens import reach
from longlag.report.paper import cost_time
from longlag.store.results import StudyData
from longlag.tasks.support.errors import UsageError, near


class Figure(Protocol):
    """The functions of a figure's module, as described in `longlag.report.figures.support.frames`."""

    @property
    def PANELS(self) -> tuple[str, ...]:  # noqa: N802
        """The columns by which its numbers are cut into frames."""

    def numbers(self, study: StudyData) -> pd.DataFrame:
        """Return the numbers to draw, a row for each mark; empty if the study has none."""

    def draw(self, frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
        """Draw the rows of one frame."""

    def handles(self, frame: pd.DataFrame, /) -> list[Artist]:
        """Return the legend's entries for all frames."""

    def how_to_read(self, frame: pd.DataFrame) -> str:
        """Say how to read the figure."""


FIGURES: dict[str, Figure] = {
    "horizons": horizons,
    "solved_by_lag": solved_by_lag,
    "solved": solved,
    "learning_curves": learning_curves,
    "updates_to_solve": updates_to_solve,
    "agreement": agreement,
    "reach": reach,
    "clip_windows": clip_windows,
    "transfer": transfer,
    "depth": depth,
    "cost": cost,
    "cost_time": cost_time,
    "statuses": statuses,
    "profiles": profiles,
}


ON_REQUEST = ("cost_time",)
"""Figures that are drawn only if the user names them: their numbers differ from run to run."""


def checked_figures(names: list[str]) -> list[str]:
    """Return the chosen figures, each once; if none are named, all except those of `ON_REQUEST`.

    Raises:
        UsageError: There is no such figure.
    """
    for name in names:
        if name not in FIGURES:
            raise UsageError(f"no figure is called {name!r}{near(name, FIGURES)}; there are {', '.join(FIGURES)}")
    return list(dict.fromkeys(names)) or [name for name in FIGURES if name not in ON_REQUEST]
