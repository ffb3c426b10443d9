"""Divides a study's trials into shares of about the same expected cost, identically on every machine."""

import heapq
from collections import defaultdict
from collections.abc import Sequence

from longlag.run.costs import expected_seconds
from longlag.run.plan import COHORT_SIZES
from longlag.values.trial import Trial

PARTS = 8
"""The least number of pieces in a share: no piece costs more than a share divided by it, so that shares cost alike."""


def shares(trials: Sequence[Trial], count: int) -> list[list[Trial]]:
    """Divide trials into shares of about the same expected cost.

    Trials that train together are kept in pieces, and each piece, the most expensive first, goes to the share that
    costs least so far (Graham 1969, longest processing time first).

    A piece is at most a cohort and a small part of a share, so that the shares differ by no more than that, or by one
    trial where a trial costs more. The outcome depends on the trials and their expected costs alone, neither on stored
    results nor on the machine.

    Args:
        trials: The trials of a plan, in its order.
        count: The number of shares.

    Returns:
        One list per share; some are empty where there are fewer trials. Together they hold each trial once.
    """
    alike: dict[object, list[Trial]] = defaultdict(list)
    for trial in trials:
        alike[trial.cohort].append(trial)
    costs = {cohort: expected_seconds(members[0]) for cohort, members in alike.items()}
    most = sum(costs[cohort] * len(members) for cohort, members in alike.items()) / count / PARTS
    pieces = []
    for cohort, members in alike.items():
        members.sort(key=lambda trial: (trial.seed, trial.lr, trial.clip))  # trials of one seed share their batches
        size = max(1, min(COHORT_SIZES[0], int(most / costs[cohort])))
        parts = [members[start : start + size] for start in range(0, len(members), size)]
        pieces += [(costs[cohort] * len(part), part) for part in parts]
    dealt: list[list[Trial]] = [[] for _ in range(count)]
    loads = [(0.0, number) for number in range(count)]
    for cost, piece in sorted(pieces, key=lambda piece: -piece[0]):
        load, number = loads[0]
        dealt[number] += piece
        heapq.heapreplace(loads, (load + cost, number))
    return dealt
