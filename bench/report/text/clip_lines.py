"""Writes what clips do: for each cell a comparison with no clip, or with the first clip if every setting clips.

A clause says that clipping *decides* if a test over all comparisons of the study together says so
(`stats.multiple.compare`). It speaks of *the best rate of each clip* only if `longlag tune` searched for these rates. A
study that tries several rates gets a second clause, on *the best of the rates tried*. Else the clause names the rate.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from longlag.plan.rates import Basis
from longlag.report.figures import style
from longlag.report.outcomes import Panel
from longlag.report.text.words import MANY, Count, joined, name_of
from longlag.stats.multiple import Difference, compare
from longlag.tasks.support.options import spell

BEST = frozenset({Basis.TUNED, Basis.NEIGHBOUR, Basis.NONE})
"""How a clip's rate was chosen if it counts as its best: its neighbours were tried, or the search found no rate."""
UNFOUND = frozenset({Basis.NEIGHBOUR, Basis.NONE})


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the trials of one clip.

    Attributes:
        clip: The clip's spec.
        lr: The learning rate.
        basis: How the rate was chosen.
        solved: Whether the trial solved its task, by seed, for trials with a result.
    """

    clip: str
    lr: float
    basis: Basis
    solved: dict[int, bool]

    @property
    def count(self) -> Count:
        """The number of trials that solved their task."""
        return Count(sum(self.solved.values()), len(self.solved))

    @property
    def rate(self) -> str:
        """The rate in words."""
        return "with no rate found" if self.basis in UNFOUND else f"at {spell(self.lr)}"

    def __str__(self) -> str:
        return f"{style.clip_label(self.clip)} {self.count}"


class Comparison(NamedTuple):
    """A comparison of one cell under a clip and under no clip, or under the first clip.

    Attributes:
        name: The cell, and the way in which it was trained.
        scope: The learning rates for which the comparison holds, in words.
        clip: The side of the clip.
        first: The side of no clip, or of the first clip.
    """

    name: str
    scope: str
    clip: Side
    first: Side

    @property
    def differs(self) -> bool:
        """Whether the solved shares differ."""
        one, other = self.clip.count, self.first.count
        return one.hits * other.n != other.hits * one.n


def comparisons(parts: Sequence[Panel]) -> list[Comparison]:
    """Return the comparisons of a task: those of each panel, then those at the best of several rates."""
    at_each = [pair for part in parts for pair in _of_panel(part)]
    return at_each + [pair for of_rates in _by_rate(parts) for pair in _of_panel(_best_of(of_rates), len(of_rates))]


def differences(of_tasks: Mapping[str, Sequence[Comparison]]) -> dict[str, list[Difference]]:
    """Test the comparisons of all tasks together, which corrects for their number."""
    tests = iter(compare([(pair.clip.solved, pair.first.solved) for pairs in of_tasks.values() for pair in pairs]))
    return {task: [next(tests) for _ in pairs] for task, pairs in of_tasks.items()}


def what_clips_do(pairs: Sequence[Comparison], tests: Sequence[Difference]) -> list[str]:
    """Return clauses on the comparisons of a task, one or two for each scope.

    Args:
        pairs: The comparisons.
        tests: The test of each.
    """
    clauses = []
    for scope in dict.fromkeys(pair.scope for pair in pairs):
        of_scope = [(pair, test) for pair, test in zip(pairs, tests, strict=True) if pair.scope == scope]
        decided = [f"for {pair.name} ({_versus([pair])}; p {_p(test.p)})" for pair, test in of_scope if test.decided]
        undecided = [pair for pair, test in of_scope if pair.differs and not test.decided]
        if decided:
            clauses.append(f"{scope}, clipping decides {joined(decided)}")
        if undecided:
            clauses.append(f"{scope}, whether clipping matters is undecided for {_listed(undecided)}")
        if not decided and not undecided:
            clauses.append(f"{scope}, clipping changes no count")
    return clauses


def _of_panel(part: Panel, rates: int = 0) -> list[Comparison]:
    """Return the comparisons of a panel.

    Args:
        part: The panel.
        rates: How many rates were tried, if the panel holds the best of them for each cell and clip; else 0.
    """
    first, *others = part.clips
    named = replace(
        part, ways={name: value for name, value in part.ways.items() if name != "lr"}
    )  # the sides name the rate
    pairs = []
    for cell in part.cells:
        against = _side(part.of(cell, first))
        sides = [_side(part.of(cell, clip)) for clip in others] if against else []
        pairs += [
            Comparison(name_of(named, cell), _scope(side, against, rates), side, against)
            for side in sides
            if side and against
        ]
    return pairs


def _side(rows: pd.DataFrame) -> Side | None:
    """Return the side of one clip from its rows; None if no trial has a result."""
    rows = rows[rows["counted"]]
    if rows.empty:
        return None
    first = rows.iloc[0]
    basis = Basis(first["rate_basis"]) if pd.notna(first["rate_basis"]) else Basis.GIVEN
    return Side(first["clip"], float(first["lr"]), basis, dict(zip(rows["seed"], rows["solved"], strict=True)))


def _scope(one: Side, other: Side, rates: int) -> str:
    if rates:
        return f"at the best of the {rates} rates for each clip"
    return "at the best rate of each clip" if {one.basis, other.basis} <= BEST else "at these rates"


def _by_rate(parts: Sequence[Panel]) -> list[list[Panel]]:
    """Group the panels that differ in the learning rate alone."""
    groups = defaultdict(list)
    for part in parts:
        if "lr" in part.ways:
            groups[tuple(way for way in part.ways.items() if way[0] != "lr")].append(part)
    return [of_rates for of_rates in groups.values() if len(of_rates) > 1]


def _best_of(parts: Sequence[Panel]) -> Panel:
    """Return one panel that holds, for each cell and clip, the rate that solves most trials, or solves soonest."""
    settings = dict.fromkeys((cell, clip) for part in parts for cell in part.cells for clip in part.clips)
    best = [min((part.of(*setting) for part in parts), key=_merit) for setting in settings]
    return replace(parts[0], frame=pd.concat(best, ignore_index=True))


def _merit(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the numbers by which rates are ranked; smaller is better."""
    counted = rows[rows["counted"]]
    return (-counted["solved"].mean(), counted["watched_updates"].mean()) if len(counted) else (1.0, 0.0)


def _versus(pairs: Sequence[Comparison]) -> str:
    """Write the counts of several clips, then that of the side they share, each with its rate."""
    sides = [*(pair.clip for pair in pairs), pairs[0].first]
    rates = [side.rate for side in sides]
    if len(set(rates)) == 1:
        return f"{', '.join(map(str, sides))}, {'both' if len(sides) == 2 else 'all'} {rates[0]}"
    return ", ".join(f"{side} {rate}" for side, rate in zip(sides, rates, strict=True))


def _listed(pairs: Sequence[Comparison]) -> str:
    of_name = defaultdict(list)
    for pair in pairs:
        of_name[pair.name, pair.first.lr].append(pair)
    texts = [f"{name} ({_versus(of_cell)})" for (name, _), of_cell in of_name.items()]
    more = [f"{len(texts) - MANY} more"] if len(texts) > MANY else []
    return joined([*texts[:MANY], *more])


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}".replace("0.", ".", 1)
