"""The statistical tests of `longlag check`.

There are three measures, each with a one-sided p for worse and for better. Outcomes of learning are bimodal, solved or
stuck, and any single measure misses some regressions:

- ``solved``: the solved shares, by Boschloo's exact test;
- ``outcome``: all outcomes in one order (sooner solved, then lower error, then exploded or diverged), by an exact
  permutation test on ranks;
- ``updates``: updates to solve, unsolved trials censored, by an exact permutation test on log-rank scores.

If both sides have the same seeds, and a measure is correlated between them, it is tested by signs of pairs instead; for
solved counts that is McNemar's exact test. Without correlation the baseline's other seeds are more informative.
"""

from typing import NamedTuple

import numpy as np

from longlag.regression.judge.entries import Entry
from longlag.stats.exact import boschloo_p, paired_p, permutation_p

MEASURES = ("solved", "outcome", "updates")
_GRID = 20  # log-rank scores are rounded to parts of an event: exact tests need whole numbers
_FEWEST_PAIRS = 8
_ALIKE = 0.5  # above this correlation pairs tell more than the seeds of the baseline that have no partner


class Tests(NamedTuple):
    """One-sided p by measure.

    Attributes:
        worse: The p of each measure for a change for the worse.
        better: The p of each measure for a change for the better.
        paired: The measures that were tested by pairs of seeds.
    """

    worse: dict[str, float]
    better: dict[str, float]
    paired: frozenset[str]


def tests(baseline: Entry, new: Entry, alpha: float) -> Tests:
    """Test every measure in both directions.

    A p for worse above four times ``alpha``, or for better above ``alpha``, is approximate: it decides nothing.
    """
    stuck = 1 - np.concatenate([new.events, baseline.events]).astype(np.int64)
    scores = {"solved": stuck, "outcome": rank_scores(baseline, new), "updates": log_rank_scores(baseline, new)}
    ours, theirs = new.solved, baseline.solved
    worse, better, paired = {}, {}, set()
    for measure, of in scores.items():
        if pairs_go_alike(baseline, new, of):
            differences = _differences(baseline, new, of)
            worse[measure], better[measure] = paired_p(differences), paired_p(-differences)
            paired.add(measure)
        elif measure == "solved":
            worse[measure] = boschloo_p(ours, new.n, theirs, baseline.n)
            better[measure] = boschloo_p(new.n - ours, new.n, baseline.n - theirs, baseline.n)
        else:
            worse[measure] = permutation_p(of, new.n, 4 * alpha)
            better[measure] = permutation_p(-of, new.n, alpha)  # decides at a far smaller level
    return Tests(worse, better, frozenset(paired))


def rank_scores(baseline: Entry, new: Entry) -> np.ndarray:
    """Return twice the midrank of every outcome, the new ones first, (n + m,); larger is worse."""
    pooled = np.concatenate([new.badness, baseline.badness])
    ordered = np.sort(pooled)
    ranks: np.ndarray = np.searchsorted(ordered, pooled, "left") + np.searchsorted(ordered, pooled, "right") + 1
    return ranks


def log_rank_scores(baseline: Entry, new: Entry) -> np.ndarray:
    """Return log-rank scores in twentieths of an event, the new ones first, (n + m,); larger is worse.

    A trial's score is its cumulative hazard, less one if it solved (Peto & Peto 1972).
    """
    times, events = np.concatenate([new.times, baseline.times]), np.concatenate([new.events, baseline.events])
    if not len(times):
        return np.zeros(0, dtype=np.int64)
    moments, places = np.unique(times, return_inverse=True)
    solved = np.bincount(places, weights=events, minlength=len(moments))
    ended = np.bincount(places, minlength=len(moments))
    at_risk = len(times) - np.cumsum(ended) + ended
    hazard = np.cumsum(solved / at_risk)
    scores: np.ndarray = np.rint(_GRID * (hazard[places] - events)).astype(np.int64)
    return scores


def pairs_go_alike(baseline: Entry, new: Entry, scores: np.ndarray) -> bool:
    """Return whether the baseline has every new seed, and seeds are correlated enough to be compared pair by pair.

    The correlation is computed from sums and absolute differences, which are symmetric in the sides, so that the choice
    does not bias the test by signs.

    Args:
        baseline: The entry before.
        new: The entry after.
        scores: The scores of all outcomes, the new ones first.
    """
    places = partners(baseline, new)
    if len(places) < max(_FEWEST_PAIRS, new.n):
        return False
    pooled = scores[places]
    spread = float(((pooled - pooled.mean()) ** 2).mean())
    within = float(((pooled[:, 0] - pooled[:, 1]) ** 2).mean()) / 4
    return spread == 0 or 1 - 2 * within / spread > _ALIKE


def partners(baseline: Entry, new: Entry) -> np.ndarray:
    """Return the indices, in pooled scores, of the new and the baseline's result of every common seed, (pairs, 2)."""
    held = {outcome.seed: place for place, outcome in enumerate(baseline.results, new.n)}
    places = [(place, held[outcome.seed]) for place, outcome in enumerate(new.results) if outcome.seed in held]
    return np.array(places, dtype=np.int64).reshape(-1, 2)


def _differences(baseline: Entry, new: Entry, scores: np.ndarray) -> np.ndarray:
    pairs = scores[partners(baseline, new)]
    difference: np.ndarray = pairs[:, 0] - pairs[:, 1]
    return difference
