"""Two to four layers for an encoder, four for a decoder: what depth of either gives on two tasks."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import pandas as pd

from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, decide
from longlag.claims.support.paired import opened, share_of
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study

TASKS = {"reverse": "reverse:items=4", "translate": "translate:items=4"}
DEPTHS = ("1+2", "2+2", "4+2", "2+1", "2+4")
"""Layers of encoder + decoder: the depths of one, the other having two."""
ENCODER = (("2+2", "1+2"), ("4+2", "1+2"))
DECODER = (("2+4", "2+1"), ("2+4", "2+2"))
"""Pairs of what the claim says is best and what it says is not."""
RATES = (3e-3, 1e-2, 3e-2)
SEEDS = {60: 28, 600: 120}
UPDATES = 800


def judge(frame: pd.DataFrame, bar: Bar, compared: tuple[tuple[str, str], ...]) -> Verdict:
    """Judge ``solved`` by ``depths, seed``: the share at the depths said to be best less that at others, on average."""
    effect, n = share_of(frame, "depths", compared, bar)
    counts = frame.groupby("depths")["solved"].agg(["sum", "size"])
    shown = dict.fromkeys(side for sides in compared for side in sides[::-1])
    told = ", ".join(f"{depths} {counts['sum'][depths]}/{counts['size'][depths]}" for depths in shown)
    shares = [counts["sum"][depths] / counts["size"][depths] for depths in shown]
    return opened(decide(effect, n, bar).told(counts=told), shares)


def _rule(name: str, task: str, part: str) -> Rule:
    compared = ENCODER if part == "encoder" else DECODER
    asks = {
        "encoder": "two and four layers of encoder solve more than one",
        "decoder": "four layers of decoder solve more than one and two",
    }
    sides = " and ".join(f"{first} less {second}" for first, second in compared)
    return Rule(
        name,
        f"{task}: {asks[part]}",
        f"solved share on the same seeds, {sides} layers of encoder + decoder, counts of seeds averaged over both "
        "(Newcombe 1998b); rates of each pair of depths from three other seeds, the same first ones tried for all, in "
        "steps of 1.5 around the best where a seed solves; left open if none solves a quarter of its seeds",
        "as many seeds that solve with fewer layers, but for 30 points",
        "Solved, layers of encoder + decoder: {counts}.{left}",
        partial(judge, compared=compared),
        0.3,
        "solved share",
        60,
    )


class EncoderDecoder(Claim):
    """Of networks that are wider with every layer, as in the paper: parameters are not held equal, nor is time."""

    sentence: ClassVar[str] = "2 to 4 layers are best for an encoder and 4 for a decoder"
    paper: ClassVar[str] = "Britz et al. 2017"
    boundary: ClassVar[str] = (
        f"in our tasks, not in translation of a language: reverse and translate, four symbols; GRU, 32 units, plain "
        f"stacks of up to 4 layers, Adam, norm:1, {UPDATES} updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = tuple(
        _rule(name, task, part)
        for name, (task, part) in zip(
            "abcd", [(task, part) for task in TASKS for part in ("encoder", "decoder")], strict=True
        )
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return a coarse grid for each pair of depths."""
        return {
            depths: Study(
                f"claim-14-{depths.replace('+', '-')}-rates", f"{self.sentence}: rates",
                (_grid(tuple(TASKS.values()), depths, RATES, TUNING_SEEDS),),
            )
            for depths in DEPTHS
        }  # fmt: skip

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return each task at each pair of depths, at its best rate."""
        seeds = tuple(range(SEEDS[tier]))
        grids = tuple(
            _grid((task,), depths, (rates[depths].best(task=task)[0],), seeds)
            for task in TASKS.values()
            for depths in DEPTHS
        )
        return Study("claim-14", self.sentence, grids)

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended."""
        trials = evidence.trials
        made = trials.assign(
            task=trials["task"].str.partition(":")[0],
            depths=trials["layers"].astype(str) + "+" + trials["decoder_layers"].astype(str),
            solved=(trials["status"] == "solved").astype(int),
        )
        columns = ["task", "depths", "lr", "seed", "status", "solved", "error"]
        frame = made[columns].sort_values(["task", "depths", "seed"])
        of = {task: frame[frame["task"] == task].reset_index(drop=True) for task in TASKS}
        return {rule.name: of[rule.asks.partition(":")[0]] for rule in self.rules}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the error of every seed by depths, a panel a task."""
        shown = pd.concat([frames["a"], frames["c"]])
        shown = shown.assign(panel=shown["task"], series="a seed", x=shown["depths"], y=shown["error"])
        return Picture(shown[["panel", "series", "x", "y"]], "layers of encoder + decoder", "wrong symbols, share")


def _grid(tasks: tuple[str, ...], depths: str, rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    encoder, decoder = map(int, depths.split("+"))
    return Grid(
        task=tasks, cell=("gru",), decoder_cell=("gru",), clip=("norm:1",), layers=(encoder,),
        decoder_layers=(decoder,), lr=rates, seeds=seeds, updates=UPDATES, eval_every=100,
    )  # fmt: skip
