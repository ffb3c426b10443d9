"""Styles: the widths and heights of figures at venues, with letters that are readable at these sizes."""

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import matplotlib as mpl
import matplotlib.style

from longlag.tasks.support.errors import UsageError, near

WIDTHS = ("column", "text", "half")
_HALF = 0.485
"""The share of the text's width that a figure of width ``half`` has: two of them fit with a gap between them."""


@dataclass(frozen=True)
class Style:
    """A venue's style at one width.

    Attributes:
        name: The venue.
        width: The width of a figure in inches.
        tallest: The largest height of a figure in inches.
        font: A font family that comes with matplotlib.
        usetex: Whether TeX sets the text.
        title: Whether frames have titles; if not, the caption says what they show.
    """

    name: str
    width: float
    tallest: float
    font: str
    usetex: bool = False
    title: bool = False

    @contextmanager
    def used(self) -> Iterator[None]:
        """Draw in this style, and restore the caller's settings afterwards."""
        with matplotlib.style.context(["default", self._settings()]):
            yield

    def _settings(self) -> dict[str, Any]:
        return _SETTINGS | {
            "font.family": self.font,
            "text.usetex": self.usetex,
            "mathtext.fontset": "stix" if self.font.startswith("STIX") else "dejavusans",
        }


_SETTINGS: dict[str, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelpad": 2,
    "axes.xmargin": 0.03,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.3,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "text.parse_math": False,  # names may hold any character
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "longlag",
}


def names() -> list[str]:
    """Return the names of all styles."""
    return list(_read())


def style_of(name: str, width: str = "column", usetex: bool = False, title: bool | None = None) -> Style:
    """Return a venue's style.

    Args:
        name: The venue.
        width: One of `WIDTHS`.
        usetex: Whether TeX sets the text.
        title: Whether frames have titles; by default only in the style ``plain``.

    Raises:
        UsageError: There is no such style or width, or TeX is not installed.
    """
    known = _read()
    if name not in known:
        raise UsageError(f"no style is called {name!r}{near(name, known)}; there are {', '.join(known)}")
    if width not in WIDTHS:
        raise UsageError(f"no width is called {width!r}{near(width, WIDTHS)}; there are {', '.join(WIDTHS)}")
    if usetex and not shutil.which("latex"):
        raise UsageError(
            "--usetex needs the program latex, which is not installed; without --usetex matplotlib sets the text"
        )
    venue = known[name]
    inches = _HALF * venue["text"] if width == "half" else venue[width]
    has_titles = name == "plain" if title is None else title
    return Style(name, inches, venue["tallest"], venue["font"], usetex, has_titles)


def _read() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("styles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def savable(kind: str) -> dict[str, Any]:
    """Return the options with which matplotlib saves a format, so that the same drawing gives the same bytes."""
    metadata: dict[str, dict[str, None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }
    return {"format": kind, "metadata": metadata[kind]}


def version() -> str:
    """Return the version of matplotlib."""
    return str(mpl.__version__)
