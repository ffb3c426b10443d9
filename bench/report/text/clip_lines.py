"""What clips do, said for each cell against no clip, or against the first clip where every setting clips.

*Decides* is said where a test over all comparisons of the study together does (`stats.multiple.compare`). It is said of
*the best rate of each clip* only where `longlag tune` found these, or no rate at all; of a study that tries several
rates also for *the best of the rates tried*; else the sentence holds *at this rate* and says so.
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
"""A clip's best rate as far as was looked for: there is one and its neighbours were tried, or none was found."""
UNFOUND = frozenset({Basis.NEIGHBOUR, Basis.NONE})


@dataclass(frozen=True)
class Side:
    """One clip's trials of a comparison.

    Attributes:
        clip: Spec.
        lr: The learning rate.
        basis: What the rate rests on.
        solved: By seed, of trials with a result.
    """

    clip: str
    lr: float
    basis: Basis
    solved: dict[int, bool]

    @property
    def count(self) -> Count:
        """How many of its trials are solved."""
        return Count(sum(self.solved.values()), len(self.solved))

    @property
    def rate(self) -> str:
        """The rate in words."""
        return "with no rate found" if self.basis in UNFOUND else f"at {spell(self.lr)}"

    def __str__(self) -> str:
        return f"{style.clip_label(self.clip)} {self.count}"


class Comparison(NamedTuple):
    """A cell under a clip and under what it is compared with.

    Attributes:
        name: The cell, and in what way it was trained.
        scope: The rates for which it holds.
        clip: Under the clip.
        first: Under no clip, or the first.
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
    """List what is to be compared in the panels of a task: in each, then at the best of several rates."""
    at_each = [pair for part in parts for pair in _of_panel(part)]
    return at_each + [pair for of_rates in _by_rate(parts) for pair in _of_panel(_best_of(of_rates), len(of_rates))]


def differences(of_tasks: Mapping[str, Sequence[Comparison]]) -> dict[str, list[Difference]]:
    """Put the comparisons of all tasks to the test together."""
    found = iter(compare([(pair.clip.solved, pair.first.solved) for pairs in of_tasks.values() for pair in pairs]))
    return {task: [next(found) for _ in pairs] for task, pairs in of_tasks.items()}


def what_clips_do(pairs: Sequence[Comparison], tests: Sequence[Difference]) -> list[str]:
    """Return clauses on the comparisons of a task, one or two for each scope."""
    said = []
    for scope in dict.fromkeys(pair.scope for pair in pairs):
        of_scope = [(pair, test) for pair, test in zip(pairs, tests, strict=True) if pair.scope == scope]
        decided = [f"for {pair.name} ({_versus([pair])}; p {_p(test.p)})" for pair, test in of_scope if test.decided]
        undecided = [pair for pair, test in of_scope if pair.differs and not test.decided]
        if decided:
            said.append(f"{scope}, clipping decides {joined(decided)}")
        if undecided:
            said.append(f"{scope}, whether clipping matters is undecided for {_listed(undecided)}")
        if not decided and not undecided:
            said.append(f"{scope}, clipping changes no count")
    return said


def _of_panel(part: Panel, rates: int = 0) -> list[Comparison]:
    """Compare the clips of a panel; it holds the best of so many ``rates`` for each of them, where these are said."""
    first, *others = part.clips
    named = replace(part, ways={name: value for name, value in part.ways.items() if name != "lr"})  # sides say it
    found = []
    for cell in part.cells:
        against = _side(part.of(cell, first))
        sides = [_side(part.of(cell, clip)) for clip in others] if against else []
        found += [
            Comparison(name_of(named, cell), _scope(side, against, rates), side, against)
            for side in sides
            if side and against
        ]
    return found


def _side(rows: pd.DataFrame) -> Side | None:
    """Return a clip's side from the rows of a cell; None where no trial has a result."""
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
    """Return the panels that differ by the rate alone, together."""
    groups = defaultdict(list)
    for part in parts:
        if "lr" in part.ways:
            groups[tuple(way for way in part.ways.items() if way[0] != "lr")].append(part)
    return [of_rates for of_rates in groups.values() if len(of_rates) > 1]


def _best_of(parts: Sequence[Panel]) -> Panel:
    """Return one panel with the rate that solves most, then soonest, for each cell and clip."""
    settings = dict.fromkeys((cell, clip) for part in parts for cell in part.cells for clip in part.clips)
    best = [min((part.of(*setting) for part in parts), key=_merit) for setting in settings]
    return replace(parts[0], frame=pd.concat(best, ignore_index=True))


def _merit(rows: pd.DataFrame) -> tuple[float, float]:
    """Return what is compared, smaller being better."""
    counted = rows[rows["counted"]]
    return (-counted["solved"].mean(), counted["watched_updates"].mean()) if len(counted) else (1.0, 0.0)


def _versus(pairs: Sequence[Comparison]) -> str:
    """Say the counts of clips against the one side that they share, with their rates."""
    sides = [*(pair.clip for pair in pairs), pairs[0].first]
    rates = [side.rate for side in sides]
    if len(set(rates)) == 1:
        return f"{', '.join(map(str, sides))}, {'both' if len(sides) == 2 else 'all'} {rates[0]}"
    return ", ".join(f"{side} {rate}" for side, rate in zip(sides, rates, strict=True))


def _listed(pairs: Sequence[Comparison]) -> str:
    of_name = defaultdict(list)
    for pair in pairs:
        of_name[pair.name, pair.first.lr].append(pair)
    told = [f"{name} ({_versus(found)})" for (name, _), found in of_name.items()]
    more = [f"{len(told) - MANY} more"] if len(told) > MANY else []
    return joined([*told[:MANY], *more])


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}".replace("0.", ".", 1)
