"""Draws without replacement, uniform or by weights, and the probability that each place is drawn."""

import math
from functools import cache

import numpy as np

_NODES = 96
"""Number of nodes of the integral: twice as many change nothing above 1e-12."""
_SMALL = 1e-17
_BLOCK = 4_000_000
"""Numbers held at once."""


def different(generator: np.random.Generator, size: int, count: int, batch_size: int) -> np.ndarray:
    """Draw ``count`` different numbers below ``size`` in random order for every sequence, (count, B).

    Args:
        generator: The random generator.
        size: The upper limit, not included.
        count: Numbers per sequence.
        batch_size: Sequences (B).
    """
    return _first(generator.random((batch_size, size), dtype=np.float32), count)


def weighted(generator: np.random.Generator, weights: np.ndarray, count: int, batch_size: int) -> np.ndarray:
    """Draw ``count`` different places for every sequence, one after the other by their weights, (count, B).

    If each place has an exponential clock whose rate is its weight, the places in the order in which their clocks run
    out are such a draw (Efraimidis & Spirakis 2006).

    Args:
        generator: The random generator.
        weights: The weights of the places.
        count: Places per sequence.
        batch_size: Sequences (B).
    """
    return _first(generator.standard_exponential((batch_size, len(weights)), dtype=np.float32) / weights, count)


def power_law(size: int, exponent: float) -> np.ndarray:
    """Return weights that fall with the place, 1, 2, ... to the power of minus ``exponent``, and sum to 1, (size,).

    >>> power_law(3, 1.0) * 11
    array([6., 3., 2.])
    """
    weights = np.arange(1, size + 1) ** -exponent
    shares: np.ndarray = weights / weights.sum()
    return shares


@cache
def shares_taken(size: int, exponent: float, count: int) -> np.ndarray:
    """Return the probability that each place is among ``count`` that `weighted` draws by a `power_law`, (size,).

    Place u is drawn if fewer than ``count`` other clocks run out before its own. The probability of that is an integral
    over its own time; the number of other clocks that have run out by then is a sum of independent events.

    >>> shares_taken(2, 1.0, 1).round(9), shares_taken(2, 1.0, 2)
    (array([0.66666667, 0.33333333]), array([1., 1.]))
    """
    if count == size:
        return np.ones(size)
    rates = power_law(size, exponent)
    begin, end = _interval(rates, count)
    nodes, parts = np.polynomial.legendre.leggauss(_NODES)
    log_times = begin + (nodes + 1) / 2 * (end - begin)
    taken: np.ndarray = -np.expm1(-rates * math.exp(begin))  # up to there fewer than ``count`` have run out for certain
    block = max(1, _BLOCK // (size * count))
    for first in range(0, _NODES, block):
        times = np.exp(log_times[first : first + block])
        early = np.exp(-np.outer(rates, times))  # the chance that a clock still runs, (size, nodes)
        weights = parts[first : first + block] * (end - begin) / 2 * times
        taken += rates * (early * _few_others(1 - early, count) * weights).sum(1)
    taken *= count / taken.sum()
    return taken


def _interval(rates: np.ndarray, count: int) -> tuple[float, float]:
    """Return logarithms of two times, before which fewer than ``count`` clocks have run out, and after which as many.

    Both hold up to a probability that Chernoff's bound puts below the rounding of a number.
    """
    log_times = np.linspace(math.log(_SMALL), math.log(50 / rates.min()), 200)
    means = -np.expm1(-np.exp(log_times)[:, None] * rates).sum(1)
    certain = count - means + count * np.log(means / count) < math.log(_SMALL)
    before, after = log_times[certain & (means < count)], log_times[certain & (means > count)]
    return float(max(before, default=log_times[0])), float(min(after, default=log_times[-1]))


def _few_others(chances: np.ndarray, count: int) -> np.ndarray:
    """Return the probability that fewer than ``count`` of the other events occur, for each event, (size, nodes)."""
    size, nodes = chances.shape
    before = np.zeros((size, nodes, count))  # of those before each, the chance of 0, 1, 2, ... that occur
    before[0, :, 0] = 1
    for place in range(size - 1):
        before[place + 1] = _joined(before[place], chances[place])
    shares = np.empty((size, nodes))
    after = before[0].copy()
    for place in range(size - 1, -1, -1):
        shares[place] = (before[place] * after.cumsum(1)[:, ::-1]).sum(1)
        after = _joined(after, chances[place])
    return shares


def _joined(counts: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Let one more event occur or not, (nodes, count) and (nodes,)."""
    joined: np.ndarray = counts * (1 - chance[:, None])
    joined[:, 1:] += counts[:, :-1] * chance[:, None]
    return joined


def _first(times: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the ``count`` smallest numbers of each row, in their order, (count, rows)."""
    places = np.argpartition(times, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(times, places, axis=1).argsort(axis=1)
    return np.ascontiguousarray(np.take_along_axis(places, order, axis=1).T)
