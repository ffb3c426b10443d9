"""A study's trials dealt into shares of about the same expected cost, the same on every machine."""

import heapq
from collections import defaultdict
from collections.abc import Sequence

from longlag.run.costs import expected_seconds
from longlag.run.plan import COHORT_SIZES
from longlag.values.trial import Trial

PARTS = 8
"""Of a share, the least: no piece that is dealt costs more than one of so many, so that shares come out alike."""


def shares(trials: Sequence[Trial], count: int) -> list[list[Trial]]:
    """Deal trials into shares of about the same expected cost.

    What trains together stays together in pieces, and each piece, the most expensive first, goes to the share that
    costs least so far (Graham 1969, longest processing time first).

    A piece is at most a cohort and a small part of a share, so that the shares differ by no more than that, or by one
    trial where a trial is more. Nothing but the trials and their expected costs is looked at: neither what is stored
    nor the machine.

    Args:
        trials: Those of a plan, in its order.
        count: How many shares.

    Returns:
        One list a share; some are empty where there are fewer trials. Together they are the trials, each once.
    """
    alike: dict[object, list[Trial]] = defaultdict(list)
    for trial in trials:
        alike[trial.cohort].append(trial)
    costs = {cohort: expected_seconds(of[0]) for cohort, of in alike.items()}
    most = sum(costs[cohort] * len(of) for cohort, of in alike.items()) / count / PARTS
    pieces = []
    for cohort, of in alike.items():
        of.sort(key=lambda trial: (trial.seed, trial.lr, trial.clip))  # trials of one seed share their batches
        size = max(1, min(COHORT_SIZES[0], int(most / costs[cohort])))
        pieces += [(costs[cohort] * len(of[at : at + size]), of[at : at + size]) for at in range(0, len(of), size)]
    dealt: list[list[Trial]] = [[] for _ in range(count)]
    loads = [(0.0, number) for number in range(count)]
    for cost, piece in sorted(pieces, key=lambda piece: -piece[0]):
        load, number = loads[0]
        dealt[number] += piece
        heapq.heapreplace(loads, (load + cost, number))
    return dealt
