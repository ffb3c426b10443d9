"""The figures of each lens, which are drawn with a study's other figures or by themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path

from longlag.report.figures.panels import Drawing
from longlag.report.figures.support.looks import kept_apart
from longlag.report.lens.by_setting import erasure, has_erasure, has_lyapunov, has_sensitivity, lyapunov, sensitivity
from longlag.report.lens.dose import dose, has_dose
from longlag.report.lens.gates import gates, has_gates
from longlag.report.lens.reach import has_reach, reach
from longlag.report.lens.reach_outcome import has_reach_outcome, reach_outcome
from longlag.report.lens.reach_training import has_reach_training, reach_training
from longlag.report.lens.share import has_share, share
from longlag.report.lens.spectra import has_spectra, spectra
from longlag.store.results import StudyData

LENSES: dict[str, tuple[str, ...]] = {
    "reach": ("reach", "reach_training", "reach_outcome", "dose"),
    "share": ("share",),
    "spectrum": ("spectra",),
    "gates": ("gates",),
    "lyapunov": ("lyapunov",),
    "sensitivity": ("sensitivity",),
    "erasure": ("erasure",),
}
"""The figures of each lens."""
FIGURES: dict[str, Callable[[StudyData], Drawing]] = {
    "reach": reach,
    "reach_training": reach_training,
    "reach_outcome": reach_outcome,
    "dose": dose,
    "share": share,
    "spectra": spectra,
    "gates": gates,
    "lyapunov": lyapunov,
    "sensitivity": sensitivity,
    "erasure": erasure,
}
WHERE: dict[str, Callable[[StudyData], bool]] = {
    "reach": has_reach,
    "reach_training": has_reach_training,
    "reach_outcome": has_reach_outcome,
    "dose": has_dose,
    "share": has_share,
    "spectra": has_spectra,
    "gates": has_gates,
    "lyapunov": has_lyapunov,
    "sensitivity": has_sensitivity,
    "erasure": has_erasure,
}


def draw_lenses(study: StudyData, folder: Path, lenses: Sequence[str]) -> list[Path]:
    """Draw the figures of some lenses; the same numbers give the same bytes.

    Args:
        study: The study.
        folder: The study's folder; figures go to ``figures`` in it.
        lenses: The names of the lenses.
    """
    target = folder / "figures"
    target.mkdir(parents=True, exist_ok=True)
    names = [name for lens in lenses for name in LENSES.get(lens, ()) if WHERE[name](study)]
    with kept_apart(study.plan):
        return [path for name in names for path in FIGURES[name](study).save(target, name)]
