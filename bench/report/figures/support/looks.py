"""What an author wants things to be called and drawn with in place of the usual, and in which order they stand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Looks:
    """Names, colours, markers and places by spec, as stored; whatever is not in them keeps its own.

    Attributes:
        labels: What a task, a cell or a clip is called.
        colors: What a cell is drawn with.
        markers: A cell's marker.
        order: Specs that stand before all others, in this order.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    markers: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def place(self, spec: str) -> int:
        """Return where a spec stands among those that were given an order; 0 for one that was not."""
        return self.order.index(spec) - len(self.order) if spec in self.order else 0


USUAL = Looks()
_WORN: ContextVar[Looks | None] = ContextVar("looks", default=None)


def worn() -> Looks:
    """Return the looks that everything is drawn and called by at present."""
    return _WORN.get() or USUAL


@contextmanager
def wearing(looks: Looks) -> Iterator[None]:
    """Draw and name everything by these looks."""
    token = _WORN.set(looks)
    try:
        yield
    finally:
        _WORN.reset(token)
