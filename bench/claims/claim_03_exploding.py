"""Above the condition gradients explode, and descent ends in Inf or NaN."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, decide, pairs_of, share_effect
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.regression.judge.effects import Pairs

RADII = (0.7, 1.0, 1.3, 1.6)
COMPARED = ((1.6, 0.7), (1.3, 1.0))
"""A spectral radius above 1, and the one not above it that it is held against."""
RATES = (0.01, 0.03, 0.1, 0.3)


def judge(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``lost`` by ``radius, lr, seed``: the share above a radius of 1 less that below, on the same seeds.

    The counts of seeds are averaged over rates and radii, so that the interval rests on no more than the seeds.
    """
    wide = frame.pivot_table(index="seed", columns=["lr", "radius"], values="lost").dropna()
    cells = [
        pairs_of(wide[lr, above].astype(bool).tolist(), wide[lr, below].astype(bool).tolist())
        for lr in wide.columns.unique("lr")
        for above, below in COMPARED
    ]
    pairs = Pairs(*np.mean(cells, axis=0)) if cells else Pairs(0, 0, 0, 0)
    shares = frame.groupby("radius")["lost"].mean()
    told = ", ".join(f"{share:.0%} at radius {radius:g}" for radius, share in shares.items())
    return decide(share_effect(pairs, bar), len(wide), bar).told(shares=told, rates=len(wide.columns.unique("lr")))


def _rule(name: str, kind: str, diverges: bool) -> Rule:
    what = "reaches Inf or NaN" if diverges else "is lost: parameters or loss jump, or it reaches Inf or NaN"
    return Rule(
        name,
        f"{kind}: with a spectral radius above 1 descent {'reaches Inf or NaN' if diverges else 'is lost'} more often",
        f"share of trials whose training {what}, at radius 1.6 less .7 and 1.3 less 1, on the same seeds, averaged "
        f"over {len(RATES)} fixed rates; paired interval of shares (Newcombe 1998b)",
        "a difference below 25 points of the share",
        "Over {n} seeds and {rates} rates: {shares}.",
        judge,
        0.25,
        "share of trials",
    )


class Exploding(Claim):
    """Descent without a clip, on orthogonal matrices times a factor, which is their spectral radius."""

    sentence: ClassVar[str] = "Above it gradients explode, and then SGD reaches Inf or NaN"
    paper: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, sections 2 and 3"
    boundary: ClassVar[str] = (
        "plain networks of 32 units, orthogonal start times the radius, adding over 30 steps, plain SGD without a "
        f"clip at rates {', '.join(f'{rate:g}' for rate in RATES)}, 200 updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _rule("a", "tanh", diverges=False),
        _rule("b", "tanh", diverges=True),
        _rule("c", "ReLU", diverges=False),
        _rule("d", "ReLU", diverges=True),
    )

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return every radius with both nonlinearities at every rate."""
        cells = [f"rnn:init=orthogonal,scale={radius:g}" for radius in RADII]
        grid = Grid(
            task=("adding:length=30",),
            cell=(*cells, *(f"{cell},nonlinearity=relu" for cell in cells)),
            clip=("none",),
            optimizer=("sgd",),
            lr=RATES,
            seeds=tuple(range({10: 24, 60: 80, 600: 300}[tier])),
            updates=200,
            eval_every=25,
        )
        return Study("claim-03", self.sentence, (grid,))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended."""
        found = evidence.trials[["cell", "lr", "seed", "status", "grad_norm_max", "cell.scale", "cell.nonlinearity"]]
        found = found.rename(columns={"cell.scale": "radius", "cell.nonlinearity": "kind"}).sort_values(
            ["kind", "radius", "lr", "seed"]
        )
        columns = ["kind", "radius", "lr", "seed", "status", "grad_norm_max", "lost"]
        ended = {"lost": ["exploded", "diverged"], "diverged": ["diverged"]}
        frames = {}
        for name, kind, what in (
            ("a", "tanh", "lost"),
            ("b", "tanh", "diverged"),
            ("c", "relu", "lost"),
            ("d", "relu", "diverged"),
        ):
            of = found[found["kind"] == kind]
            frames[name] = of.assign(lost=of["status"].isin(ended[what]).astype(int))[columns].reset_index(drop=True)
        return frames

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the share lost and diverged by radius, at each rate."""
        named = {"a": "tanh, lost", "b": "tanh, Inf or NaN", "c": "ReLU, lost", "d": "ReLU, Inf or NaN"}
        parts = []
        for name, panel in named.items():
            shares = frames[name].groupby(["radius", "lr"])["lost"].mean().reset_index()
            series = shares["lr"].map("rate {:g}".format)
            parts.append(shares.assign(panel=panel, series=series).rename(columns={"radius": "x", "lost": "y"}))
        return Picture(
            pd.concat(parts)[["panel", "series", "x", "y"]], "spectral radius at the start", "share of trials"
        )
