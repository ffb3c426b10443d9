"""Clipping keeps the direction, shortens the step, prevents explosions; whether it is needed is another question."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import (
    Bar,
    Verdict,
    decide_equal,
    decide_shares,
    pairs_of,
    proved,
    share_effect,
)
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study

SGD = "sgd:momentum=0.9"
IRNN = "rnn:nonlinearity=relu,init=identity"
LANES = {
    "sgd": {"task": "adding:length=20", "cell": "gru", "optimizer": SGD, "clip": "norm:1", "updates": 800},
    "irnn": {"task": "adding:length=50", "cell": IRNN, "optimizer": "adam", "clip": "norm:1", "updates": 1000},
    "lion": {"task": "adding:length=20", "cell": "gru", "optimizer": "lion", "clip": "norm:0.1", "updates": 500},
    "muon": {"task": "adding:length=20", "cell": "gru", "optimizer": "muon", "clip": "norm:0.1", "updates": 500},
}
"""What is compared with and without a clip."""
COARSE = {
    "sgd": (0.03, 0.1, 0.3, 1.0),
    "irnn": (1e-3, 3e-3, 1e-2),
    "lion": (1e-3, 3e-3, 1e-2),
    "muon": (3e-3, 1e-2, 3e-2),
}
LOST = ["exploded", "diverged"]
TOLERANCE = 1e-5
"""What float32 rounds: of a norm, relatively, and of a cosine."""


def judge_exact(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``cosine`` to the gradient before the clip, and ``norm`` after it against ``max_norm``, a row a trial."""
    over = frame["norm"] / frame["max_norm"] - 1
    turned = (1 - frame["cosine"]).abs()
    return proved(np.maximum(over, turned).tolist(), TOLERANCE).told(
        trials=len(frame), updates=int(frame["updates"].sum())
    )


def judge_prevents(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``lost`` by ``clipped, seed`` at one rate: the share lost without the clip less that with it."""
    clipped, plain = _sides(frame, "lost")
    return decide_shares(plain, clipped, bar).told(rate=_rate(frame), without=sum(plain), within=sum(clipped))


def judge_needed(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``solved`` by ``clipped, seed``, each side at its best rate: the share with the clip less that without."""
    clipped, plain = _sides(frame, "solved")
    return decide_shares(clipped, plain, bar).told(**_rates(frame), without=sum(plain), within=sum(clipped))


def judge_inert(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``solved`` as `judge_needed`: that the shares are the same."""
    clipped, plain = _sides(frame, "solved")
    acted = float(frame.loc[frame["clipped"].astype(bool), "clipped_fraction"].mean())
    verdict = decide_equal(share_effect(pairs_of(clipped, plain), bar), len(clipped), bar)
    return verdict.told(**_rates(frame), without=sum(plain), within=sum(clipped), acted=acted)


def _sides(frame: pd.DataFrame, what: str) -> tuple[list[bool], list[bool]]:
    """Return an outcome of the seeds that both sides have, with the clip and without."""
    wide = frame.pivot_table(index="seed", columns="clipped", values=what).reindex(columns=[True, False]).dropna()
    return wide[True].astype(bool).tolist(), wide[False].astype(bool).tolist()


def _rate(frame: pd.DataFrame) -> str:
    return "/".join(f"{rate:g}" for rate in sorted(frame["lr"].unique())) or "none found"


def _rates(frame: pd.DataFrame) -> dict[str, str]:
    of = {
        name: frame[frame["clipped"].astype(bool) == side]
        for name, side in (("clip_rate", True), ("plain_rate", False))
    }
    return {name: f"{_rate(rows)} ({'/'.join(rows['basis'].unique())})" for name, rows in of.items()}


_BOTH = "{within} of {n} seeds solve it clipped, at {clip_rate}, and {without} without, at {plain_rate}; p = {p:.2g}."
_NEEDED = "solved share clipped less not clipped, each side at its best rate, by seed; paired interval and McNemar"
_SEARCHED = "; rates from three other seeds, the same ones tried on both sides, in steps of 1.5 around the best"


def _inert(name: str, optimizer: str) -> Rule:
    return Rule(
        name,
        f"{optimizer}, which ignores the gradient's scale but for momentum, solves as often with a tight clip as "
        "without",
        f"GRU, adding over 20 steps, norm:0.1: {_NEEDED}: it lies within ±.3 (two one-sided tests){_SEARCHED}",
        "a share that the clip changes by 30 points or more",
        "{within} of {n} seeds solve it clipped (in {acted:.0%} of updates), at {clip_rate}, and {without} without, "
        "at {plain_rate}.",
        judge_inert,
        0.3,
        "solved share",
    )


class Clipping(Claim):
    """Three questions are kept apart: what clipping computes, whether it helps, and whether it is needed."""

    sentence: ClassVar[str] = "Clipping keeps the gradient's direction, takes a smaller step, and prevents explosions"
    paper: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 3.2"
    boundary: ClassVar[str] = (
        "32 units; GRU on adding (20 steps; SGD with momentum .9, Lion, Muon); IRNN on adding (50 steps; Adam)"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "the direction is kept and the norm is at most the threshold, in every update of every run",
            "over all clipped trials of this claim, audited at every update: mean cosine to the gradient before is "
            f"1, and the largest norm after at most the threshold, both to {TOLERANCE:g}",
            "one update that turns or exceeds",
            "In {trials} trials, {updates:,} updates, nothing is off by more than {worst:.1e}.",
            judge_exact,
        ),
        Rule(
            "b",
            "at a rate where at least half of the unclipped are lost, the clip prevents it",
            "GRU with SGD: the lowest rate tried at which half or more of the unclipped tuning seeds explode or "
            "diverge; on other seeds the share lost without the clip less with it; paired interval and McNemar",
            "as many lost with the clip, or a difference below 30 points",
            "At rate {rate} {without} of {n} are lost without the clip and {within} with it; McNemar p = {p:.2g}.",
            judge_prevents,
            0.3,
            "share lost",
        ),
        Rule(
            "c", "it is needed: GRU with SGD solves more often with it, best against best rate",
            _NEEDED + _SEARCHED, "as many seeds that solve without a clip at a smaller rate", _BOTH, judge_needed, 0.3,
            "solved share",
        ),
        Rule(
            "d", "it is needed: the ReLU network from the identity solves more often with it, best against best rate",
            _NEEDED + _SEARCHED, "as many seeds that solve without a clip at a smaller rate", _BOTH, judge_needed, 0.3,
            "solved share",
        ),
        _inert("e", "Lion"),
        _inert("f", "Muon"),
    )  # fmt: skip

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grid of each lane."""
        return {
            name: Study(
                f"claim-04-{name}-rates",
                f"{self.sentence}: rates",
                (_grid(lane, ("none", lane["clip"]), COARSE[name], TUNING_SEEDS),),
            )
            for name, lane in LANES.items()
        }

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return each lane at the best rate of each side, and the first at the rate where half are lost."""
        seeds = tuple(range({10: 32, 60: 60, 600: 200}[tier]))
        grids = [
            _grid(lane, (clip,), (rates[name].best(clip=clip)[0],), seeds)
            for name, lane in LANES.items()
            for clip in ("none", str(lane["clip"]))
        ]
        lost = losing_rate(rates["sgd"].trials)
        if lost is not None:
            grids.append(_grid(LANES["sgd"], ("none", "norm:1"), (lost,), seeds))
        return Study("claim-04", self.sentence, tuple(grids))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return both sides of every comparison."""
        trials = evidence.trials
        clipped = trials[trials["clip"] != "none"]
        exact = clipped.assign(
            max_norm=clipped["clip"].str.partition(":")[2].astype(float),
            cosine=clipped["clip_cosine"], norm=clipped["grad_norm_after_max"],
        )  # fmt: skip
        exact = exact[exact["cosine"].notna()]
        rates = {name: Rates(found) for name, found in evidence.tuned.items()}
        lost = losing_rate(evidence.tuned["sgd"])
        of_sgd = _lane(trials, LANES["sgd"])
        sides = {name: _best(trials, name, rates[name]) for name in LANES}
        return {
            "a": exact[["key", "optimizer", "lr", "seed", "updates", "cosine", "norm", "max_norm"]],
            "b": of_sgd[of_sgd["lr"] == lost].assign(basis=""),
            "c": sides["sgd"],
            "d": sides["irnn"],
            "e": sides["lion"],
            "f": sides["muon"],
        }

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the errors of both sides, a point a seed."""
        named = {
            "b": "GRU, SGD: half are lost",
            "c": "GRU, SGD: best rates",
            "d": "IRNN, Adam: best rates",
            "e": "Lion",
            "f": "Muon",
        }
        parts = [frames[name].assign(panel=panel, series="a seed") for name, panel in named.items()]
        shown = pd.concat(parts)
        x = shown["clipped"].map({True: "clipped", False: "no clip"})
        points = shown.assign(x=x, y=shown["error"].fillna(shown["baseline_error"]).clip(upper=shown["baseline_error"]))
        return Picture(
            points.sort_values("clipped")[["panel", "series", "x", "y"]], "", "error, at most the floor", "y"
        )


def losing_rate(trials: pd.DataFrame | None) -> float | None:
    """Return the lowest rate at which half or more of the unclipped were lost; None where there is none."""
    if trials is None:
        return None
    plain = trials[trials["clip"] == "none"]
    shares = plain["status"].isin(LOST).groupby(plain["lr"]).mean()
    losing = shares[shares >= 0.5].index
    return float(losing.min()) if len(losing) else None


def _grid(
    lane: Mapping[str, object], clips: tuple[object, ...], rates: tuple[float, ...], seeds: tuple[int, ...]
) -> Grid:
    return Grid(
        task=(lane["task"],), cell=(lane["cell"],), clip=clips, optimizer=(lane["optimizer"],), lr=rates, seeds=seeds,
        updates=lane["updates"], eval_every=50,
    )  # fmt: skip


def _lane(trials: pd.DataFrame, lane: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows of a lane, as rules take them."""
    first = str(lane["cell"]).partition(":")[0]
    rows = trials[(trials["optimizer"] == lane["optimizer"]) & trials["cell"].str.startswith(first)]
    made = rows.assign(
        clipped=rows["clip"] != "none", solved=(rows["status"] == "solved").astype(int),
        lost=rows["status"].isin(LOST).astype(int),
    )  # fmt: skip
    columns = [
        "lr",
        "clip",
        "clipped",
        "seed",
        "status",
        "solved",
        "lost",
        "error",
        "baseline_error",
        "clipped_fraction",
    ]
    return made[columns].sort_values(["clipped", "seed"]).reset_index(drop=True)


def _best(trials: pd.DataFrame, name: str, rates: Rates) -> pd.DataFrame:
    """Return the trials of a lane at the best rate of each side, with what it rests on."""
    rows = _lane(trials, LANES[name])
    parts = []
    for clip in ("none", str(LANES[name]["clip"])):
        lr, basis = rates.best(clip=clip)
        parts.append(rows[(rows["clip"] == clip) & (rows["lr"] == lr)].assign(basis=str(basis)))
    return pd.concat(parts, ignore_index=True)
