"""Entries made up for the tests of regression tracking: no training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longlag.regression.judge.entries import Entry, Outcome
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial

BUDGET = 400


def setting(cell: str = "lstm", **changes: object) -> Trial:
    """Return what an entry is of."""
    usual = {"task": "copy:items=1,symbols=2,blanks=1", "cell": cell, "clip": "norm:1", "lr": 0.01, "seed": 0}
    return Trial(**(usual | {"updates": BUDGET, "eval_every": 20} | changes))  # type: ignore[arg-type]


def solved(seed: int, updates: int, fingerprint: str | None = None) -> Outcome:
    return Outcome(seed, Status.SOLVED.value, True, 0.001, updates, fingerprint)


def stuck(seed: int, error: float = 0.5, status: Status = Status.UNSOLVED) -> Outcome:
    return Outcome(seed, status.value, False, error)


def drawn(
    share: float, seeds: Sequence[int], *names: str | int, speed: float = 150.0, cell: str = "lstm", marked: str = ""
) -> Entry:
    """Draw an entry of which a share solves, in about ``speed`` updates.

    Args:
        names: Of the stream: equal names give equal outcomes.
        marked: Gives every outcome a fingerprint, of this and its seed.
    """
    generator = stream("made-up outcomes", *names).generator()
    outcomes = []
    for seed in seeds:
        chance, wild, noise = generator.random(), generator.random(), generator.normal()
        print_of = f"{marked}{seed:04x}" if marked else None
        if chance < share:
            updates = int(min(BUDGET, 20 * np.ceil(speed * np.exp(0.3 * noise) / 20)))
            outcomes.append(solved(seed, updates, print_of))
        else:
            lost = Status.DIVERGED if wild < 0.1 else Status.UNSOLVED
            outcomes.append(replace(stuck(seed, 0.5 + 0.1 * noise, lost), fingerprint=print_of))
    return Entry(setting(cell), tuple(outcomes))
