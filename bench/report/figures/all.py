"""Draws a study's figures and writes each as PNG, PDF and the CSV of its numbers."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from longlag.report.figures.agreement import agreement, has_agreement
from longlag.report.figures.curves import gradient_norms
from longlag.report.figures.depth import depth, has_depth
from longlag.report.figures.direction import direction, has_direction
from longlag.report.figures.horizons import horizons_figure
from longlag.report.figures.learning_curves import learning_curves
from longlag.report.figures.panels import Drawing, paths
from longlag.report.figures.seq2seq import has_seq2seq, seq2seq
from longlag.report.figures.solved import solved
from longlag.report.figures.statuses import statuses
from longlag.report.figures.support.ladders import has_horizons
from longlag.report.figures.support.looks import kept_apart
from longlag.report.figures.transfer import has_transfer, transfer
from longlag.report.figures.updates_to_solve import updates_to_solve
from longlag.report.lens import figures as lenses
from longlag.store.results import StudyData

FIGURES: dict[str, Callable[[StudyData], Drawing]] = {
    "learning_curves": learning_curves,
    "solved": solved,
    "statuses": statuses,
    "updates_to_solve": updates_to_solve,
    "gradient_norms": gradient_norms,
    "agreement": agreement,
    "transfer": transfer,
    "depth": depth,
    "direction": direction,
    "horizons": horizons_figure,
    "seq2seq": seq2seq,
} | lenses.FIGURES
WHERE: dict[str, Callable[[StudyData], bool]] = {
    "agreement": has_agreement,
    "transfer": has_transfer,
    "depth": has_depth,
    "direction": has_direction,
    "horizons": has_horizons,
    "seq2seq": has_seq2seq,
} | lenses.WHERE
"""Figures that only some studies have."""


def draw_figures(study: StudyData, folder: Path) -> list[Path]:
    """Draw every figure that the study has numbers for; the same numbers give the same bytes.

    A figure that was drawn for an earlier plan, and for which this plan has no numbers, is removed.

    Returns:
        The files written, in ``folder/figures``.
    """
    target = folder / "figures"
    target.mkdir(parents=True, exist_ok=True)
    written = []
    with kept_apart(study.plan):
        for name, draw in FIGURES.items():
            if name not in WHERE or WHERE[name](study):
                with _nothing_collected():
                    written += draw(study).save(target, name)
            else:
                for path in paths(target, name):
                    path.unlink(missing_ok=True)
    return written


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Pause the garbage collector, which would search a growing figure's thousands of parts over and over."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
