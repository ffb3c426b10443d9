"""Several layers help, two to four, and beyond that skip connections are needed: depths at equal parameters."""

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

LANES: Mapping[str, Mapping[str, object]] = {
    "lstm": {"task": "copy:items=3,blanks=10", "cell": "lstm", "parameters": 12_000, "updates": 800},
    "mingru": {"task": "selective_copy:items=4,blanks=12", "cell": "mingru", "parameters": 4_000, "updates": 1000},
}
"""What is asked at several depths."""
SEVERAL = (("2", "1"), ("4", "1"))
BEYOND = (("8 residual", "8"),)
PARTS = {"a": ("lstm", SEVERAL), "b": ("mingru", SEVERAL), "c": ("lstm", BEYOND)}
RATES = (3e-3, 1e-2, 3e-2, 1e-1)
SEEDS = {60: 32, 600: 120}


def judge(frame: pd.DataFrame, bar: Bar, compared: tuple[tuple[str, str], ...]) -> Verdict:
    """Judge ``solved`` by ``stack, seed``: the share of one stack less another's, on average over comparisons."""
    effect, n = share_of(frame, "stack", compared, bar)
    groups = frame.groupby("stack")
    found = groups["solved"].agg(["sum", "size"]).join(groups["hidden_size"].first())
    found = found.loc[sorted({stack for sides in compared for stack in sides})]
    told = ", ".join(
        f"{stack} of {row['hidden_size']} units {row['sum']}/{row['size']}" for stack, row in found.iterrows()
    )
    return opened(decide(effect, n, bar).told(counts=told), found["sum"] / found["size"])


_SEARCHED = (
    "each with as many parameters, but for what whole units leave; counts of seeds averaged over comparisons (Newcombe "
    "1998b); rates of each stack from three other seeds, the same first ones tried for all, in steps of 1.5 around the "
    "best where a seed solves; left open if no stack solves a quarter of its seeds"
)


def _rule(name: str, asks: str, falsified: str) -> Rule:
    lane, compared = PARTS[name]
    sides = " and ".join(f"{first} less {second}" for first, second in compared)
    return Rule(
        name, asks, f"{LANES[lane]['task']}: solved share on the same seeds, {sides} layers, {_SEARCHED}", falsified,
        "Solved, layers: {counts}.{left}", partial(judge, compared=compared), 0.3, "solved share", 60,
    )  # fmt: skip


class Layers(Claim):
    """At equal parameters a deeper network has fewer units a layer, so that depth has to earn what width loses."""

    sentence: ClassVar[str] = "Several layers help: 2 to 4 are common, and beyond that skip connections are needed"
    paper: ClassVar[str] = "Britz et al. 2017; minGRU: Feng et al. 2024"
    boundary: ClassVar[str] = (
        "; ".join(
            f"{lane['cell']} on {lane['task']}, {lane['parameters']:,} parameters, {lane['updates']} updates"
            for lane in LANES.values()
        )
        + "; Adam, norm:1"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _rule(
            "a", "two and four layers of LSTM solve more than one",
            "one layer that solves as many seeds, but for 30 points",
        ),
        _rule(
            "b", "two and four layers of minGRU, whose gates see the input alone, solve more than one",
            "one layer that solves as many seeds, but for 30 points",
        ),
        _rule(
            "c", "eight layers of LSTM solve more with residual connections than without",
            "a plain stack of eight layers that solves as many seeds, but for 30 points",
        ),
    )  # fmt: skip

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return a coarse grid for each lane and stack."""
        return {
            f"{lane}-{stack}": Study(
                f"claim-13-{lane}-{stack.replace(' ', '-')}-rates", f"{self.sentence}: rates",
                (_grid(lane, stack, RATES, TUNING_SEEDS),),
            )
            for lane, stack in asked()
        }  # fmt: skip

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return each stack of each lane, at its best rate."""
        seeds = tuple(range(SEEDS[tier]))
        grids = tuple(_grid(lane, stack, (rates[f"{lane}-{stack}"].best()[0],), seeds) for lane, stack in asked())
        return Study("claim-13", self.sentence, grids)

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended."""
        trials = evidence.trials
        residual = trials["skip"].eq("residual").map({True: " residual", False: ""})
        made = trials.assign(
            cell=trials["cell"].str.partition(":")[0],
            stack=trials["layers"].astype(str) + residual,
            solved=(trials["status"] == "solved").astype(int),
        )
        columns = ["cell", "stack", "hidden_size", "lr", "seed", "status", "solved", "error"]
        frame = made[columns].sort_values(["cell", "stack", "seed"])
        of = {lane: frame[frame["cell"] == lane].reset_index(drop=True) for lane in LANES}
        return {name: of[lane] for name, (lane, _) in PARTS.items()}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the error of every seed by stack, a panel a cell."""
        shown = pd.concat([frames["a"], frames["b"]])
        shown = shown.assign(panel=shown["cell"], series="a seed", x=shown["stack"], y=shown["error"])
        return Picture(shown[["panel", "series", "x", "y"]], "layers", "error")


def asked() -> list[tuple[str, str]]:
    """Return every lane with the stacks that its rules compare."""
    found = [(lane, stack) for lane, compared in PARTS.values() for sides in compared for stack in sides]
    return sorted(set(found))


def _grid(lane: str, stack: str, rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    of, (layers, _, skip) = LANES[lane], stack.partition(" ")
    return Grid(
        task=(of["task"],), cell=(of["cell"],), clip=("norm:1",), layers=(int(layers),), skip=(skip or "none",),
        lr=rates, seeds=seeds, updates=of["updates"], eval_every=100, match="parameters", match_target=of["parameters"],
    )  # fmt: skip
