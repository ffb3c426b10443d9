"""The power of rules in tier 60: how often each holds, fails or cannot tell in experiments that are drawn.

    python tests/claims_power.py     # the table of bench/claims/README.md

Seeds are independent, on either side too: real ones share data and initial weights, which makes intervals narrower.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from longlag.claims import claim_09_gru
from longlag.claims.support.decisions import (
    Bar,
    Effect,
    Kind,
    decide,
    decide_equal,
    mean_effect,
    pairs_of,
    share_effect,
    together,
)
from longlag.claims.support.named import asked
from longlag.regression.judge.effects import Pairs

EXPERIMENTS = 200
Draw = Callable[[np.random.Generator, Bar], Effect]


class Planted(NamedTuple):
    """What is planted, and how an experiment's effect is drawn."""

    rule: str
    n: int
    truth: str
    draw: Draw
    equal: bool = False


def shares(n: int, compared: Sequence[tuple[float, float]], apart: bool = False) -> Draw:
    """Draw seeds with these chances on first and second side: groups with seeds of their own, or pooled comparisons."""

    def draw(generator: np.random.Generator, bar: Bar) -> Effect:
        pairs = [
            pairs_of(*((generator.random(n) < chance).tolist() for chance in (first, second)))
            for first, second in compared
        ]
        if apart:
            return together([share_effect(one, bar) for one in pairs], 1 / len(pairs))
        return share_effect(Pairs(*np.mean(pairs, axis=0)), bar)

    return draw


def rungs(n: int, compared: Sequence[tuple[float, float]]) -> Draw:
    """Draw a ladder: chances of both sides at each rung."""

    def draw(generator: np.random.Generator, bar: Bar) -> Effect:
        single = [shares(n, [rung])(generator, bar) for rung in compared]
        return together(single)

    return draw


def normal(n: int, mean: float, spread: float, groups: int = 1) -> Draw:
    """Draw differences by seed, in groups with seeds of their own."""

    def draw(generator: np.random.Generator, bar: Bar) -> Effect:
        found = [mean_effect((mean + spread * generator.standard_normal(n)).tolist(), bar) for _ in range(groups)]
        return together(found, 1 / groups)

    return draw


ALL, MOST, FEW, NONE = 0.95, 0.8, 0.2, 0.05
LEARNT, PARTED, UNLEARNT = (ALL, ALL), (ALL, NONE), (NONE, NONE)
AS_FAR = [LEARNT, LEARNT, UNLEARNT, UNLEARNT]


def planted(rule: str, truth: str, made: Callable[[int], Draw], equal: bool = False, n: int = 0) -> Planted:
    """Return a case at the seeds of a rule's claim in tier 60, or at others."""
    n = n or sys.modules[type(asked([int(rule[:-1])])[0]).__module__].SEEDS[60]
    return Planted(rule, n, truth, made(n), equal)


EVERY = (
    planted("6a", "90 % of LSTMs solve, 10 % of RNNs", lambda n: rungs(n, [(0.9, 0.1)])),
    planted("7a", "two doublings further", lambda n: rungs(n, [LEARNT, PARTED, PARTED, UNLEARNT])),
    planted("7a", "one doubling further", lambda n: rungs(n, [LEARNT, PARTED, UNLEARNT, UNLEARNT])),
    planted("7a", "as far", lambda n: rungs(n, AS_FAR)),
    planted("9d", "as many updates, SD by seed a factor of 2", lambda n: normal(n, 0.0, 1.0, groups=4), True),
    planted("9e", "as far", lambda n: rungs(n, AS_FAR), True, claim_09_gru.RUNG_SEEDS[60]),
    planted("11a", "80 % against 20 % solve", lambda n: shares(n, [(MOST, FEW)] * 2, apart=True)),
    planted("11a", "as many, 95 %", lambda n: shares(n, [LEARNT] * 2, apart=True)),
    planted("13a", "80 % against 20 % solve", lambda n: shares(n, [(MOST, FEW)] * 2)),
    planted("13a", "as many, 95 %", lambda n: shares(n, [LEARNT] * 2)),
    planted("14a", "80 % against 20 % solve", lambda n: shares(n, [(MOST, FEW)] * 2)),
    planted("14a", "as many, 95 %", lambda n: shares(n, [LEARNT] * 2)),
    planted("15b", "20 points more error, SD by seed 10", lambda n: normal(n, 0.2, 0.1)),
)


def outcomes(case: Planted, experiments: int = EXPERIMENTS) -> Counter[Kind]:
    """Return how often each verdict is reached."""
    claim = asked([int(case.rule[:-1])])[0]
    bar = claim.bar(next(rule for rule in claim.rules if rule.name == case.rule[-1]))
    generator = np.random.Generator(np.random.Philox(7))
    judge = decide_equal if case.equal else decide
    return Counter(judge(case.draw(generator, bar), case.n, bar).kind for _ in range(experiments))


def table() -> str:
    """Return the table of bench/claims/README.md."""
    lines = ["| rule | seeds | planted | holds | fails | cannot tell |", "|---|---|---|---|---|---|"]
    for case in EVERY:
        found = outcomes(case)
        told = " | ".join(f"{found[kind] / EXPERIMENTS:.0%}" for kind in (Kind.HOLDS, Kind.FAILS, Kind.UNDECIDED))
        lines.append(f"| {case.rule} | {case.n} | {case.truth} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
