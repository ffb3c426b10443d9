"""The measurements of `longlag perf`, each in full and in a quick version."""

from collections.abc import Iterator, Sequence

from longlag.perf import kernels, lenses, shares, storage, studies, updates
from longlag.perf.measure import Timing
from longlag.process.state import arithmetic

_REPEATS = 7


def measure(parts: Sequence[str], quick: bool) -> Iterator[Timing]:
    """Yield the timings of some parts; both sides compute under `longlag.process.state.arithmetic`.

    Args:
        parts: Names of parts.
        quick: Whether to measure fewer and smaller settings.
    """
    with arithmetic():
        for part in parts:
            yield from _PARTS[part](quick)


def _kernels(quick: bool) -> Iterator[Timing]:
    if quick:
        return kernels.measure((100,), ((20, 64), (32, 128)), 3)
    return kernels.measure((100, 500), kernels.SHAPES, _REPEATS)


def _updates(quick: bool) -> Iterator[Timing]:
    if quick:
        return updates.measure((("adding", updates.UNITS),), updates.CELLS, 3)
    large = tuple((task, updates.UNITS) for task in updates.TASKS)
    return updates.measure(updates.shapes_of_quick() + large, updates.CELLS, _REPEATS)


def _lenses(quick: bool) -> Iterator[Timing]:
    return lenses.measure(1, 40) if quick else lenses.measure(1)


def _studies(quick: bool) -> Iterator[Timing]:
    return studies.measure(2, 50, 2, 1) if quick else studies.measure(8, 300, 2, 3)


def _study(quick: bool) -> Iterator[Timing]:
    return shares.measure(20, 1) if quick else shares.measure(100, 8)


def _scaling(quick: bool) -> Iterator[Timing]:
    if quick:
        return updates.scaling((64, 256), (1, 8), (32,), 3)
    return updates.scaling((64, 256, 1024, 4096), (1, 2, 4, 8, 16), (16, 32, 64, 128, 256), 3)


def _storage(quick: bool) -> Iterator[Timing]:
    yield from storage.measure(1000 if quick else 10_000)
    if not quick:
        yield from storage.measure(100_000)


_PARTS = {
    "kernels": _kernels,
    "updates": _updates,
    "study": _study,
    "lenses": _lenses,
    "studies": _studies,
    "scaling": _scaling,
    "storage": _storage,
}
