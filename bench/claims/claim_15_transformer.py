"""The Transformer that followed: what it learns sooner than an LSTM, and what it does not carry to longer sequences."""

from collections.abc import Mapping
from itertools import chain
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Effect, Verdict, decide, left_open
from longlag.claims.support.paired import mean_of, opened, sides_of
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.specs import shortest_spec
from longlag.plan.study import Study
from longlag.values.seeding import stream

RECALL = "recall_pairs:pairs=2,vocabulary=16,length=16"
TRACKING = {"parity": "parity:steps=2-6", "cycle": "cycle:steps=2-6"}
FAR = 25
"""The lag at which state tracking is tested, in steps: five times the longest that is trained."""
LSTM = "lstm"
POSITIONS = {"recall": ("sinusoidal", "rotary", "learned"), "tracking": ("sinusoidal", "rotary", "none")}
"""Those tried; learned ones cannot say anything of steps beyond those that were trained."""
TRANSFORMERS = {
    f"{positions} positions": shortest_spec("cell", f"transformer:positions={positions}")
    for positions in dict.fromkeys(chain(*POSITIONS.values()))
}
RATES = {"recall": (3e-3, 1e-2, 3e-2, 1e-1), "tracking": (3e-3, 1e-2, 3e-2)}
SEEDS = {60: 16, 600: 80}
RECALL_UPDATES, TRACKING_UPDATES = 1200, 600
PARAMETERS = 20_000
RESAMPLES = 20_000
BROKEN = 0.2
"""Where no side errs less within the trained lengths, nothing has been learnt that could be carried beyond them."""


def judge_recall(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge log2 of the LSTM's median ``updates`` over the Transformer's, with a bootstrap over seeds.

    Args:
        frame: ``side, seed, updates`` (a trial that does not solve has its whole budget), ``solved, cell``.
        bar: As fixed.
    """
    values = sides_of(frame, "side", ("LSTM", "Transformer"), "updates")
    n = len(values)
    drawn = stream("claims", "medians").generator().integers(n, size=(RESAMPLES, n))
    medians = np.median(values[drawn], axis=1)  # (R, 2)
    logs = np.log2(medians[:, 0] / medians[:, 1])
    middle = np.median(values, axis=0)
    low, high = np.quantile(logs, [bar.level / 2, 1 - bar.level / 2])
    effect = Effect(float(np.log2(middle[0] / middle[1])), float(low), float(high))
    solved = frame.groupby("side")["solved"].agg(["sum", "size"])
    told = {
        f"{side}_{what}": value
        for place, side in enumerate(("LSTM", "Transformer"))
        for what, value in (("median", middle[place]), ("solved", f"{solved['sum'][side]}/{solved['size'][side]}"))
    }
    positions = frame.loc[frame["side"] == "Transformer", "positions"].iloc[0]
    return opened(decide(effect, n, bar).told(**told, positions=positions), solved["sum"] / solved["size"])


def judge_tracking(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``error`` far beyond the trained lengths by ``side, seed``: the Transformer's less the LSTM's.

    The effect is the smallest over the Transformer's positions, and so is either end of its interval: they are
    chosen in its favour.
    """
    transformers = [side for side in frame["side"].unique() if side != "LSTM"]
    found = [mean_of(frame, "side", (side, "LSTM"), bar, "error") for side in transformers]
    effects, counts = zip(*found, strict=True)
    effect = Effect(*(min(ends) for ends in zip(*effects, strict=True)))
    groups = frame.groupby("side")[["error", "near_error"]].mean()
    told = ", ".join(f"{side} {groups['error'][side]:.2f} ({groups['near_error'][side]:.2f})" for side in groups.index)
    verdict, left = decide(effect, min(counts), bar), ""
    if not groups["near_error"].min() <= BROKEN:
        verdict, left = left_open(verdict), " Left open: no side has learnt it within the trained lengths either."
    return verdict.told(errors=told, lag=FAR, left=left)


def _tracking(name: str, task: str) -> Rule:
    return Rule(
        name,
        f"{task}: with state tracking it is the other way round: beyond the trained lengths the Transformer errs more",
        f"error at a lag of {FAR}, five times the longest trained, of the Transformer less that of the LSTM, by seed, "
        "for the positions (sinusoidal, rotary, none) with the smallest difference; means over seeds with Student's "
        "intervals; left open if no side errs in less than a fifth within the trained lengths; rates of each from "
        "three other seeds, the same first ones for all, in steps of 1.5 around the best where a seed solves",
        "a Transformer that errs less than 10 points more with some positions",
        "Error at a lag of {lag}, in brackets within the trained lengths: {errors}.{left}",
        judge_tracking,
        0.1,
        "error",
        60,
    )


class Transformers(Claim):
    """The lecture only announces transformers; the rules test one known strength and one known weakness."""

    sentence: ClassVar[str] = "Transformers came after, with many layers and skip-like connections"
    paper: ClassVar[str] = (
        "Vaswani et al. 2017; recall: Arora et al. 2024; state tracking: Hahn 2020, Delétang et al. 2023, Merrill, "
        "Petty & Sabharwal 2024"
    )
    boundary: ClassVar[str] = (
        f"{PARAMETERS:,} parameters on either side, Adam, norm:1; recall of two pairs out of 16 keys (two layers each, "
        f"{RECALL_UPDATES} updates), parity and a walk on a ring of 2 to 6 steps (one layer of LSTM, two of "
        f"Transformer, {TRACKING_UPDATES} updates); both sides read the same number of tokens in an update"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "the Transformer needs fewer updates than an LSTM to recall by keys, and so fewer tokens",
            "log2 of the LSTM's median updates to solve over the Transformer's, with a bootstrap over seeds; unsolved "
            "trials count their whole budget, so that the ratio may be larger; rates, and the Transformer's positions, "
            "from three other seeds, the same first rates for all, in steps of 1.5 around the best where a seed "
            "solves; left open if neither solves a quarter of its seeds",
            "an LSTM that needs less than 1.5 times the updates",
            "Median updates: LSTM {LSTM_median:.0f} ({LSTM_solved} solve), Transformer with {positions} "
            "{Transformer_median:.0f} ({Transformer_solved} solve).{left}",
            judge_recall,
            float(np.log2(1.5)),
            "log2 of the ratio of updates",
            60,
        ),
        _tracking("b", "parity"),
        _tracking("c", "cycle"),
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grids of recall and of state tracking."""
        tasks = {"recall": (RECALL,), "tracking": tuple(TRACKING.values())}
        return {
            part: Study(
                f"claim-15-{part}-rates", f"{self.sentence}: rates",
                tuple(_grid(task, cell, RATES[part], TUNING_SEEDS) for task in tasks[part] for cell in _cells(part)),
            )
            for part in tasks
        }  # fmt: skip

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return recall with the best positions, and state tracking with all, each at its best rate."""
        seeds = tuple(range(SEEDS[tier]))
        cells = (LSTM, best_positions(rates["recall"]))
        grids = [_grid(RECALL, cell, (rates["recall"].best(cell=cell)[0],), seeds) for cell in cells]
        grids += [
            _grid(task, cell, (rates["tracking"].best(task=task, cell=cell)[0],), seeds)
            for task in TRACKING.values()
            for cell in _cells("tracking")
        ]
        return Study("claim-15", self.sentence, tuple(grids))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return updates to solve, and errors far beyond the trained lengths."""
        assert evidence.study is not None
        trials = evidence.trials
        called = {spec: name for name, spec in TRANSFORMERS.items()}
        made = trials.assign(
            updates=_updates(trials), solved=(trials["status"] == "solved").astype(int),
            positions=trials["cell"].map(called).fillna(""),
        )  # fmt: skip
        recall = made[made["task"] == shortest_spec("task", RECALL)]
        recall = recall.assign(side=recall["cell"].eq(LSTM).map({True: "LSTM", False: "Transformer"}))
        columns = ["side", "positions", "lr", "seed", "status", "solved", "updates"]
        frames = {"a": recall[columns].sort_values(["side", "seed"]).reset_index(drop=True)}
        far = evidence.study.transfer
        far = far[far["lag"] >= FAR - 1].rename(columns={"error": "far_error"})[["key", "far_error"]]
        tracked = (
            made.rename(columns={"error": "near_error"}).merge(far, on="key").rename(columns={"far_error": "error"})
        )
        tracked = tracked.assign(side=tracked["positions"].where(tracked["positions"] != "", "LSTM"))
        columns = ["side", "lr", "seed", "status", "near_error", "error"]
        for name, task in zip("bc", TRACKING, strict=True):
            of = tracked[tracked["task"].str.partition(":")[0] == task]
            frames[name] = of[columns].sort_values(["side", "seed"]).reset_index(drop=True)
        return frames

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the far error of every seed, a panel a task."""
        shown = pd.concat([frames[name].assign(panel=task) for name, task in zip("bc", TRACKING, strict=True)])
        shown = shown.assign(series="a seed", x=shown["side"].str.removesuffix(" positions"), y=shown["error"])
        return Picture(shown[["panel", "series", "x", "y"]], "", f"error at a lag of {FAR}")


def _cells(part: str) -> tuple[str, ...]:
    return (LSTM, *(TRANSFORMERS[f"{positions} positions"] for positions in POSITIONS[part]))


def best_positions(rates: Rates) -> str:
    """Return the Transformer whose positions solve most tuning seeds, then soonest, each at its best rate."""
    trials = rates.trials
    if trials is None:
        return TRANSFORMERS["sinusoidal positions"]

    def merit(spec: str) -> tuple[float, float]:
        rows = trials[(trials["cell"] == spec) & (trials["lr"] == rates.best(cell=spec)[0])]
        return -float((rows["status"] == "solved").sum()), float(_updates(rows).mean())

    return min(_cells("recall")[1:], key=merit)


def _updates(trials: pd.DataFrame) -> "pd.Series":
    """Return updates to solve; of what is not solved, the whole budget."""
    return trials["updates_to_solve"].astype("float64").fillna(trials["budget_updates"].astype("float64"))


def _grid(task: str, cell: str, rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    recall = task == RECALL
    return Grid(
        task=(task,), cell=(cell,), clip=("norm:1",), layers=(1 if cell == LSTM and not recall else 2,), lr=rates,
        seeds=seeds, match="parameters", match_target=PARAMETERS, eval_every=50,
        updates=RECALL_UPDATES if recall else TRACKING_UPDATES, test_lags=() if recall else (FAR,),
    )  # fmt: skip
