"""Draws a study's figures for a page; no other module of this package draws figures.

The headline is SVG. The others are the PNG files in the study's folder if these are up to date, else the same bytes are
drawn again: a run does not draw a figure twice, and a page does not depend on which files exist.
"""

import io
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
from markupsafe import Markup, escape

from longlag.report import drawn
from longlag.report.figures import style
from longlag.report.figures.all import FIGURES, WHERE
from longlag.report.figures.support.ladders import has_horizons
from longlag.report.figures.support.looks import kept_apart
from longlag.store.results import StudyData

LARGEST = 400_000
"""The most bytes of a picture; a larger one stays in the folder of figures, and the page says so."""
MOST_TRIALS = 20_000
"""The most trials of a study whose page has pictures: hundreds of frames cannot be read."""

DESCRIPTIONS = {
    "horizons": ("How far back", "Horizon of each cell and clip with its interval, one frame per task."),
    "solved": ("Solved share", "Map of solved shares, one row per cell, one column per clip, with counts."),
    "learning_curves": ("Learning curves", "Error against updates, one faint line per seed, with the floor."),
    "reach": ("Reach", "Share of the answer's gradient that arrives, against the number of steps back."),
}
"""The titles and descriptions of the figures that a page may show."""
_ID = re.compile(r'(\bid="|href="#|url\(#)')
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure in a page.

    Attributes:
        title: The title.
        description: The figure in words, for readers who cannot see it.
        image: The HTML element, an ``svg`` or an ``img`` that holds the bytes; empty if these are too many.
        file: The name of the figure's file in the folder of figures.
        wide: The usual width in pixels.
    """

    title: str
    description: str
    image: Markup
    file: str
    wide: int


def headline(study: StudyData) -> Picture | None:
    """Return the figure of horizons if the study has ladders, else that of solved shares."""
    if len(study.plan) > MOST_TRIALS:
        return None
    name = "horizons" if has_horizons(study) else "solved"
    with kept_apart(study.plan):
        drawing = FIGURES[name](study)
    drawing.settle()
    text = io.StringIO()
    with style.report_style(), matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        drawing.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _picture(name, _inline(text.getvalue(), name, study), int(96 * drawing.figure.get_figwidth()))


def smaller(study: StudyData, figures: Path) -> list[Picture]:
    """Return the figures of learning curves and, if the lens reach was used, of reach.

    Args:
        study: The study.
        figures: The folder of its figures.
    """
    names = [name for name in ("learning_curves", "reach") if name not in WHERE or WHERE[name](study)]
    if len(study.plan) > MOST_TRIALS or study.trials.empty or study.curves.empty:
        return []
    standing = drawn.standing(drawn.digest_of(study), figures) or []
    pngs = {name: _png(study, name, figures / f"{name}.png", standing) for name in names}
    return [_picture(name, _img(content, name), _pixels(content)) for name, content in pngs.items()]


def _png(study: StudyData, name: str, file: Path, standing: list[Path]) -> bytes:
    if file in standing:
        return file.read_bytes()
    with TemporaryDirectory() as folder, kept_apart(study.plan):
        return FIGURES[name](study).save(Path(folder), name)[0].read_bytes()


def _picture(name: str, image: Markup, wide: int) -> Picture:
    title, description = DESCRIPTIONS[name]
    return Picture(title, description, image if len(image) <= LARGEST else Markup(), f"{name}.png", wide)


def _pixels(png: bytes) -> int:
    """Return the width of a PNG in pixels of the page, each of which is two pixels of the file."""
    return int.from_bytes(png[16:20], "big") // 2


def _img(png: bytes, name: str) -> Markup:
    text = b64encode(png).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(DESCRIPTIONS[name][1], Markup(text))


def _inline(svg: str, name: str, study: StudyData) -> Markup:
    """Return an SVG as an element of a page, with unique ids and without styles that would apply to the whole page."""
    body = _LEFT_OUT.sub("", svg[svg.index("<svg") :])
    prefix = f"{re.sub(r'[^a-zA-Z0-9]', '-', study.name)}-{name}-"
    body = _ID.sub(lambda match: match.group(1) + prefix, body)
    label = escape(f"{DESCRIPTIONS[name][0]}. {DESCRIPTIONS[name][1]}")
    opening = f'<svg role="img" aria-label="{label}" style="stroke-linejoin:round;stroke-linecap:butt"'
    return Markup(opening + body.removeprefix("<svg"))
