"""The look of reports: one colour and marker for each cell, one line style for each clip, and one short label for each.

Specs that are listed here have a fixed look. Any other has the look that the hash of the spec picks, or the next free
one if another spec of the same study or paper has that (`looks.kept_apart`). So no two look alike as long as there are
looks, and a part of a study looks as it does in the whole.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import matplotlib.style
from matplotlib.font_manager import FontProperties

from longlag.report.figures.support.looks import worn
from longlag.report.figures.support.palette import OTHERS, SHIPPED, SKIPS, CellLook
from longlag.tasks.support.options import spell
from longlag.tasks.support.spelling import clip_parts, split_spec
from longlag.values.trial import AXES

LineStyle = Literal["-", ":"] | tuple[float, tuple[float, ...]]

INCHES = {1: 4.2, 2: 5.6, 3: 7.0}
"""Width of a figure in inches by its number of columns: up to the width of a page's text for four columns."""

FAINT = 0.28

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.titley": 1.0,  # fixed, so that it is not computed at each drawing: no frame has ticks at its top
    "axes.labelsize": 7.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7,
    "figure.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}

_OTHER_DASHES: tuple[LineStyle, ...] = (
    (0, (5, 1.5, 1, 1.5)),
    (0, (9, 1.5, 1, 1.5, 1, 1.5)),
    (0, (1, 3)),
    (0, (9, 3)),
    (0, (2, 2)),
    (0, (9, 1.5, 3, 1.5)),
    (0, (5, 1.5, 1, 1.5, 1, 1.5, 1, 1.5)),
    (0, (1, 1, 1, 3)),
)
_FIXED_DASHES: Mapping[str, LineStyle] = {"none": "-", "norm:1": (0, (4, 1.2)), "value:0.1": (0, (1, 1.1))}
_CELL_DASHES: tuple[LineStyle, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.5, 1.2)))
_NAMES = {"rnn": "RNN"} | {spec: look.label for spec, look in SHIPPED.items() if spec != "rnn" and ":" not in spec}
_BY_COLUMN = {axis.column or name: axis for name, axis in AXES.items()}


@contextmanager
def report_style() -> Iterator[None]:
    """Draw in the report's style, and restore the caller's settings afterwards."""
    with matplotlib.style.context(["default", _RC]):
        yield


def small() -> float:
    """Return the size of a figure's smallest text, its tick labels, in points."""
    return float(FontProperties(size=matplotlib.rcParams["xtick.labelsize"]).get_size_in_points())


def _number(*names: str) -> int:
    return int.from_bytes(hashlib.sha256(":".join(names).encode()).digest()[:8], "little")


def _same(spec: str) -> tuple[str, frozenset[tuple[str, str]]]:
    name, given = split_spec(spec, "cell")
    return name, frozenset(given.items())


_LOOKS = {_same(spec): look for spec, look in SHIPPED.items()}
_ORDER = {same: place for place, same in enumerate(_LOOKS)}


def cell_look(spec: str) -> CellLook:
    """Return the look of a cell; a cell without a fixed look gets one by the hash of its spec."""
    usual, looks = _usual_look(spec), worn()
    return CellLook(
        looks.labels.get(spec, usual.label), looks.colors.get(spec, usual.color), looks.markers.get(spec, usual.marker)
    )


def _usual_look(spec: str) -> CellLook:
    same = _same(spec)
    if same in _LOOKS:
        return _LOOKS[same]
    canonical = _canonical(spec)
    color, marker = OTHERS[_place(canonical, _without_look(worn().cells), len(OTHERS))]
    name, given = split_spec(spec, "cell")
    words = [_NAMES.get(name, name), *(f"{option.replace('_', ' ')} {value}" for option, value in given.items())]
    return CellLook(" ".join([words[0], ", ".join(words[1:])]).strip(), color, marker)


@lru_cache
def _without_look(cells: frozenset[str]) -> frozenset[str]:
    """Return the canonical spelling of those cells that have no fixed look."""
    return frozenset(_canonical(spec) for spec in cells if _same(spec) not in _LOOKS)


def _place(name: str, others: frozenset[str], count: int) -> int:
    """Return which of some looks, from 0 to count - 1, a name has among other names."""
    return _places(others | {name}, count)[name]


@lru_cache
def _places(names: frozenset[str], count: int) -> Mapping[str, int]:
    """Return which of some looks each name has: that of its hash, or the next free one if an earlier name has that.

    Names share a look only where there are more of them than looks.
    """
    holders: dict[int, str] = {}
    for name in sorted(names):
        holders.setdefault(_number(name) % count, name)
    places = {name: place for place, name in holders.items()}
    free = set(range(count)) - holders.keys()
    for name in sorted(names - places.keys()):
        first = _number(name) % count
        places[name] = min(free, key=lambda place: (place - first) % count, default=first)
        free.discard(places[name])
    return places


def _canonical(spec: str) -> str:
    name, given = _same(spec)
    return ":".join([name, *sorted(map("=".join, given))])


def skip_look(skip: str) -> CellLook:
    """Return the look of one kind of skip connection, for figures that compare them."""
    return SKIPS[skip]


def cell_label(spec: str) -> str:
    """Return a cell's short name.

    >>> cell_label("rnn:nonlinearity=relu,init=identity"), cell_label("lstm:forget_bias=0")
    ('IRNN', 'LSTM forget bias 0')
    """
    return cell_look(spec).label


def cell_rank(spec: str) -> tuple[int, int, bool, str]:
    """Return a cell's place in legends and rows: shipped cells first, defaults before other options."""
    same = _same(spec)
    plain = _ORDER.get((same[0], frozenset()), len(_ORDER))
    return worn().place(spec), _ORDER.get(same, plain), same not in _ORDER, _canonical(spec)


def clip_label(spec: str) -> str:
    """Return a clip's short name.

    >>> clip_label("none"), clip_label("norm:1"), clip_label("norm:1+omega:4")
    ('no clip', 'norm ≤ 1', 'norm ≤ 1 + omega 4')
    """
    if spec in worn().labels:
        return worn().labels[spec]
    if "+" in spec:
        return " + ".join(clip_label(part) for part in clip_parts(spec))
    name, _, rest = spec.partition(":")
    if name == "none":
        return "no clip"
    return f"{name} ≤ {rest}" if name in ("norm", "value") else f"{name} {rest}".strip()


def clip_line(spec: str) -> LineStyle:
    """Return a clip's line style: solid for no clip, dashes for norms, dots for values."""
    if spec in _FIXED_DASHES:
        return _FIXED_DASHES[spec]
    return _OTHER_DASHES[_place(spec, worn().clips.difference(_FIXED_DASHES), len(_OTHER_DASHES))]


def cell_line(spec: str) -> LineStyle:
    """Return a cell's line style, for frames that show one clip and need no dashes for it."""
    place = _ORDER.get(_same(spec))
    return _CELL_DASHES[(_number(_canonical(spec)) if place is None else place) % len(_CELL_DASHES)]


def clip_threshold(spec: str) -> float | None:
    """Return the norm above which a clip acts; None if it has no such threshold."""
    name, _, rest = spec.partition(":")
    try:
        return float(rest) if name == "norm" else None
    except ValueError:
        return None


def clip_rank(spec: str) -> tuple[int, int, str, float, str]:
    """Return a clip's place in legends: no clip, norms, values, the rest; each by threshold."""
    name, _, rest = spec.partition(":")
    try:
        threshold = float(rest)
    except ValueError:
        threshold = 0.0
    order = {"none": 0, "norm": 1, "value": 2}
    return worn().place(spec), order.get(name, 3), name, threshold, spec


def task_label(spec: str) -> str:
    """Return a task's name with its options in words.

    >>> task_label("copy:items=3,blanks=10")
    'copy (items 3, blanks 10)'
    """
    if spec in worn().labels:
        return worn().labels[spec]
    name, given = split_spec(spec, "task")
    listed = ", ".join(f"{option.replace('_', ' ')} {value}" for option, value in given.items())
    return f"{name} ({listed})" if listed else name


def way_label(axis: str, value: Any) -> str:
    """Return the value of an axis in words.

    >>> way_label("lr", 0.003), way_label("hidden_size", 32)
    ('lr 0.003', '32 units')
    """
    if axis in ("cell", "clip"):
        return cell_label(value) if axis == "cell" else clip_label(value)
    value = value.item() if hasattr(value, "item") else value
    if axis == "decoder_cell":
        return "no decoder" if value == "none" else f"decoder {cell_label(value)}"
    written = _BY_COLUMN[axis].written(value) if axis in _BY_COLUMN else None
    return f"{axis.replace('_', ' ')} {spell(value)}" if written is None else written
