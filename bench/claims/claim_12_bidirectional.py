"""Two directions: use them whenever the whole sequence is there. What they give depends on where the evidence lies."""

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import (
    Bar,
    Effect,
    Verdict,
    decide,
    decide_equal,
    less,
    pairs_of,
    share_effect,
)
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.values.wiring import DIRECTIONS

TASKS = {"right": "sentiment:distance=10", "left": "sentiment_before:distance=10"}
"""By the side of the question on which the word lies that decides; otherwise the same sentences, one read backwards."""
RATES = (3e-3, 1e-2, 3e-2)


def judge_interaction(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge the gain of two directions with the evidence to the right, less that with it to the left.

    Args:
        frame: ``side, direction, seed, solved``.
        bar: As fixed.
    """
    right, left = (_gain(frame, side, bar) for side in ("right", "left"))
    return decide(less(right[0], left[0]), min(right[1], left[1]), bar).told(**_counts(frame))


def judge_left(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge that there is no gain with the evidence to the left."""
    effect, n = _gain(frame, "left", bar)
    return decide_equal(effect, n, bar).told(**_counts(frame))


def _gain(frame: pd.DataFrame, side: str, bar: Bar) -> tuple[Effect, int]:
    """Return the solved share of two directions less that of one, on the same seeds."""
    wide = frame[frame["side"] == side].pivot_table(index="seed", columns="direction", values="solved")
    wide = wide.reindex(columns=list(DIRECTIONS)).dropna()
    both, one = (wide[name].astype(bool).tolist() for name in ("bidirectional", "forward"))
    return share_effect(pairs_of(both, one), bar), len(wide)


def _counts(frame: pd.DataFrame) -> dict[str, object]:
    groups = frame.groupby(["side", "direction"])["solved"]
    solved, n = groups.sum().to_dict(), groups.size().to_dict()
    sides = [(side, direction) for side in TASKS for direction in DIRECTIONS if (side, direction) in solved]
    return {f"{'_'.join(place)}": f"{solved[place]}/{n[place]}" for place in sides}


_TOLD = (
    "Seeds that solve, forward and bidirectional: evidence to the right {right_forward} and {right_bidirectional}, "
    "to the left {left_forward} and {left_bidirectional}."
)


class Bidirectional(Claim):
    """That language models refuse two directions is no verdict but a rule of this suite, which a test holds."""

    sentence: ClassVar[str] = "Bidirectional RNNs see the right context: use them whenever the whole sequence is there"
    paper: ClassVar[str] = "Schuster & Paliwal 1997"
    boundary: ClassVar[str] = (
        "GRU of 32 units a direction, one word of sentiment ten steps from the question, Adam, no clip, 300 updates; "
        "two directions have twice the parameters"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "two directions gain more where the evidence lies to the right of the question than where it lies to the "
            "left",
            "solved share of two directions less that of one, by seed, evidence right less left; intervals of both "
            "joined (Zou & Donner 2008); rates of each task and direction from three other seeds",
            "a gain that does not depend on the side, but for 30 points",
            _TOLD,
            judge_interaction,
            0.3,
            "solved share, interaction",
        ),
        Rule(
            "b",
            "where the evidence lies to the left they are of no use",
            "solved share of two directions less that of one, by seed, evidence to the left: within ±.3",
            "two directions that help, or harm, there as well",
            _TOLD,
            judge_left,
            0.3,
            "solved share",
        ),
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return a coarse grid for each direction."""
        return {
            direction: Study(
                f"claim-12-{direction}-rates", f"{self.sentence}: rates",
                (_grid(tuple(TASKS.values()), direction, RATES, TUNING_SEEDS),),
            )
            for direction in DIRECTIONS
        }  # fmt: skip

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return both tasks in both directions, each at its best rate."""
        seeds = tuple(range({10: 32, 60: 100, 600: 300}[tier]))
        grids = tuple(
            _grid((task,), direction, (rates[direction].best(task=task)[0],), seeds)
            for direction in DIRECTIONS
            for task in TASKS.values()
        )
        return Study("claim-12", self.sentence, grids)

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended."""
        trials = evidence.trials
        sides = {"sentiment": "right", "sentiment_before": "left"}
        made = trials.assign(
            side=trials["task"].str.partition(":")[0].map(sides), solved=(trials["status"] == "solved").astype(int)
        )
        columns = ["side", "direction", "lr", "seed", "status", "solved", "error"]
        frame = made[columns].sort_values(["side", "direction", "seed"]).reset_index(drop=True)
        return {"a": frame, "b": frame}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the error of every seed."""
        shown = frames["a"].assign(series="a seed", x=frames["a"]["direction"], y=frames["a"]["error"])
        shown = shown.assign(panel="evidence to the " + shown["side"]).sort_values("direction", ascending=False)
        return Picture(shown[["panel", "series", "x", "y"]], "", "wrong answers, share")


def _grid(tasks: tuple[str, ...], direction: str, rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    return Grid(
        task=tasks,
        cell=("gru",),
        direction=(direction,),
        clip=("none",),
        lr=rates,
        seeds=seeds,
        updates=300,
        eval_every=50,
    )
