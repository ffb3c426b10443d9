"""Residual, dense and highway connections help deep networks: what they solve, and what they hear, by depth."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from longlag import registry
from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, decide, decide_equal
from longlag.claims.support.paired import averaged, mean_of, opened, own_seeds, share_of
from longlag.claims.support.rates import Rates
from longlag.lens.base import Subject
from longlag.lens.support.signals import INPUT, norms_of
from longlag.networks.build import network_for
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.values.backward import PLAIN
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

DEPTHS = {60: (4, 8), 600: (4, 8, 16)}
SEEDS = {60: 20, 600: 80}
"""Of each depth, by tier."""
SKIPS = ("none", "residual", "dense", "highway")
NAMES = {"none": "plain", "residual": "residual", "dense": "dense", "highway": "highway"}
RATES = (3e-3, 1e-2, 3e-2)
TASK, UNITS, UPDATES = "adding:length=20", 32, 400
SEQUENCES = 32
"""On which the signal before training is measured."""
FAINTEST = 1e-30
"""What stands for a signal of exactly 0."""
Sides = tuple[str, str]


def judge_solved(frame: pd.DataFrame, bar: Bar, sides: Sides) -> Verdict:
    """Judge ``solved`` by ``skip, layers, seed``: the share of one kind less another's, a mean over depths."""
    found = [share_of(rows, "skip", (sides,), bar) for _, rows in frame.groupby("layers")]
    return opened(decide(*averaged(found), bar).told(shares=_solved(frame, sides)), _shares(frame, sides))


def judge_alike(frame: pd.DataFrame, bar: Bar, sides: Sides) -> Verdict:
    """Judge ``solved`` as `judge_solved`: that the shares are the same."""
    found = [share_of(rows, "skip", (sides,), bar) for _, rows in frame.groupby("layers")]
    return opened(decide_equal(*averaged(found), bar).told(shares=_solved(frame, sides)), _shares(frame, sides))


def judge_heard(frame: pd.DataFrame, bar: Bar, sides: Sides) -> Verdict:
    """Judge ``signal``, the log10 of what is heard at the start, by ``skip, layers, seed``: one kind less another."""
    found = [mean_of(rows, "skip", sides, bar, "signal") for _, rows in frame.groupby("layers")]
    medians = frame.groupby(["layers", "skip"])["signal"].median()
    told = "; ".join(
        f"{layers} layers: " + ", ".join(f"{NAMES[skip]} {10 ** medians[layers, skip]:.1g}" for skip in sides)
        for layers in medians.index.unique("layers")
    )
    return decide(*averaged(found), bar).told(signals=told)


def _shares(frame: pd.DataFrame, sides: Sides) -> list[float]:
    return [float(frame.loc[frame["skip"] == skip, "solved"].mean()) for skip in sides]


def _solved(frame: pd.DataFrame, sides: Sides) -> str:
    counts = frame.groupby(["layers", "skip"])["solved"].agg(["sum", "size"])
    return "; ".join(
        f"{layers} layers: "
        + ", ".join(f"{NAMES[skip]} {counts['sum'][layers, skip]}/{counts['size'][layers, skip]}" for skip in sides)
        for layers in counts.index.unique("layers")
    )


_SEARCHED = (
    "; rates of each kind and depth from three other seeds, the same first ones tried for all, in steps of 1.5 around "
    "the best where a seed solves; left open if neither kind solves a quarter of its seeds"
)
_SHARE = (
    "solved share on the same seeds, a mean over depths, which have seeds of their own (Newcombe 1998b, joined by Zou "
    "& Donner 2008)"
)


def _more(name: str, sides: Sides, asks: str) -> Rule:
    return Rule(
        name, asks, f"{NAMES[sides[0]]} less {NAMES[sides[1]]}: {_SHARE}{_SEARCHED}",
        "a gain below 30 points of the share", "Solved: {shares} ({n} seeds a depth).{left}",
        partial(judge_solved, sides=sides), 0.3, "solved share", 60,
    )  # fmt: skip


def _heard(name: str, sides: Sides, asks: str) -> Rule:
    return Rule(
        name, asks,
        "log10 of the gradient of the answer by the furthest input needed (its norm, not relative to other lags), "
        "before training, "
        f"{NAMES[sides[0]]} less {NAMES[sides[1]]}, by seed: means over seeds with Student's intervals, averaged "
        "over depths",
        "less than ten times the signal", "Norm of the gradient, at the median: {signals} ({n} seeds a depth).",
        partial(judge_heard, sides=sides), 1.0, "decades of the signal", 60,
    )  # fmt: skip


class Skips(Claim):
    """One layer learns this task, so that what a deeper stack loses is lost between its layers."""

    sentence: ClassVar[str] = (
        "Residual, dense and highway connections help deep networks; dense even more; highway is like residual, with "
        "gates"
    )
    paper: ClassVar[str] = "He et al. 2016; Huang et al. 2017; Srivastava, Greff & Schmidhuber 2015"
    boundary: ClassVar[str] = (
        f"LSTM of {UNITS} units in {DEPTHS[60][0]} and {DEPTHS[60][1]} layers (tier 600: and {DEPTHS[600][-1]}), "
        f"adding over 20 steps, Adam, norm:1, {UPDATES} updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _more("a", ("residual", "none"), "deep networks with residual connections solve more than plain ones"),
        _more("b", ("dense", "none"), "so do those with dense connections"),
        _more("c", ("highway", "none"), "so do those with highway connections"),
        _more("d", ("dense", "residual"), "dense is even better than residual"),
        Rule(
            "e",
            "highway is like residual: it solves as often",
            f"highway less residual: {_SHARE}: within ±.3 (two one-sided tests){_SEARCHED}",
            "a share that differs by 30 points",
            "Solved: {shares} ({n} seeds a depth).{left}",
            partial(judge_alike, sides=("highway", "residual")),
            0.3,
            "solved share",
            60,
        ),
        _heard("f", ("residual", "none"), "before training residual networks hear more of the furthest input needed"),
        _heard("g", ("dense", "none"), "so do dense ones"),
        _heard("h", ("highway", "none"), "so do highway ones"),
        _heard("i", ("dense", "residual"), "dense ones hear even more than residual ones"),
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return a coarse grid for each kind and depth."""
        return {
            f"{skip}-{layers}": Study(
                f"claim-11-{skip}-{layers}-rates", f"{self.sentence}: rates",
                (_grid(skip, layers, RATES, TUNING_SEEDS),),
            )
            for layers in DEPTHS[tier]
            for skip in SKIPS
        }  # fmt: skip

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return each kind at each depth, at its best rate."""
        grids = [
            _grid(skip, layers, (rates[f"{skip}-{layers}"].best()[0],), own_seeds(place, SEEDS[tier]))
            for place, layers in enumerate(DEPTHS[tier])
            for skip in SKIPS
        ]
        return Study("claim-11", self.sentence, tuple(grids))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended, and what their networks hear before training."""
        trials = evidence.trials
        heard = [heard_of(*of) for of in trials[["skip", "layers", "seed"]].itertuples(index=False)]
        made = trials.assign(solved=(trials["status"] == "solved").astype(int), signal=np.log10(heard))
        columns = ["skip", "layers", "lr", "seed", "status", "solved", "signal", "error"]
        frame = made[columns].sort_values(["layers", "skip", "seed"]).reset_index(drop=True)
        return {rule.name: frame for rule in self.rules}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the error of every seed by kind, a panel a depth."""
        shown = frames["a"].assign(series="a seed", x=frames["a"]["skip"].map(NAMES), y=frames["a"]["error"])
        shown = shown.assign(panel=shown["layers"].astype(str) + " layers")
        return Picture(shown[["panel", "series", "x", "y"]], "", "error")


def heard_of(skip: str, layers: int, seed: int) -> float:
    """Return the gradient of the answer by the furthest input needed, in the network that a seed begins with.

    Unlike `reach` it is not relative to the largest lag: what fades from layer to layer fades at all lags alike. Its
    norm is the median over sequences, `FAINTEST` at least.

    Args:
        skip: The kind of connections.
        layers: The depth.
        seed: The seed.
    """
    task = registry.task(TASK)
    network = network_for(registry.cell("lstm"), task, UNITS, Wiring(layers=layers, skip=skip))
    row = torch.from_numpy(network.initial_row(seed)).float()
    batch = task.draw(stream("claims", "heard").generator(), SEQUENCES)
    found = norms_of(Subject(network, row, task, [batch], registry.clip("none"), PLAIN), batch)
    return max(FAINTEST, float(found.parts[INPUT][-task.min_lag].median()))


def _grid(skip: str, layers: int, rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    return Grid(
        task=(TASK,), cell=("lstm",), hidden_size=UNITS, clip=("norm:1",), layers=(layers,), skip=(skip,), lr=rates,
        seeds=seeds, updates=UPDATES, eval_every=50,
    )  # fmt: skip
