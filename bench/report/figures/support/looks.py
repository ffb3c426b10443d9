"""Labels, colours, markers and an order that an author chooses in place of the usual ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import pandas as pd


@dataclass(frozen=True)
class Looks:
    """Labels, colours, markers and places by spec, as stored; specs that are not listed keep the usual ones.

    Attributes:
        labels: Labels of tasks, cells and clips.
        colors: Colours of cells.
        markers: Markers of cells.
        order: Specs that come before all others, in this order.
        ranked: Whether rows of tables are ranked by their results, and not in that order.
        given: The values of axes for which an author gave an order, by column. Rows of tables are ordered by it first;
            only rows with equal values there are ranked by their results.
        cells: The cells that are kept apart: no two get the same usual colour and marker.
        clips: The clips that are kept apart: no two get the same dashes.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    markers: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    ranked: bool = True
    given: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    cells: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()

    def place(self, spec: str) -> int:
        """Return a spec's place in the chosen order, below 0; 0 if the spec is not in that order."""
        return self.order.index(spec) - len(self.order) if spec in self.order else 0


USUAL = Looks()
_WORN: ContextVar[Looks | None] = ContextVar("looks", default=None)


def worn() -> Looks:
    """Return the looks that are in use."""
    return _WORN.get() or USUAL


@contextmanager
def in_order(specs: Iterable[str]) -> Iterator[None]:
    """Keep cells and clips in this order in everything that is drawn or listed inside the context."""
    with wearing(replace(worn(), order=tuple(dict.fromkeys(specs)), ranked=False)):
        yield


@contextmanager
def kept_apart(*plans: pd.DataFrame) -> Iterator[None]:
    """Give the cells and the clips of some plans looks of their own in everything that is drawn inside the context.

    Where contexts are nested, those of all of them are kept apart: inside that of a paper a study's cells look as they
    do in the paper's other studies.

    Args:
        plans: Frames with the columns ``cell`` and ``clip``, each of a whole study, whatever part of it is drawn.
    """
    now = worn()
    cells, clips = (
        getattr(now, f"{name}s").union(*(plan[name].astype(str) for plan in plans)) for name in ("cell", "clip")
    )
    with wearing(replace(now, cells=cells, clips=clips)):
        yield


@contextmanager
def wearing(looks: Looks) -> Iterator[None]:
    """Use these looks for everything that is drawn or named inside the context."""
    token = _WORN.set(looks)
    try:
        yield
    finally:
        _WORN.reset(token)
