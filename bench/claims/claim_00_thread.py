"""The thread of the lecture: where the gradient fades with distance, the dependency cannot be learnt."""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Effect, Kind, Verdict, decide, exhibited
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.report.figures.style import cell_label
from longlag.stats.within import within_correlation
from longlag.store.flat import lens_numbers
from longlag.values.frames import QUARTER, START

RATES = (3e-3, 1e-2, 3e-2)
PLAIN = tuple(f"rnn:init=orthogonal,scale={scale:g}" for scale in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
LSTM = tuple(f"lstm:forget_bias={bias}" for bias in (-1, 0, 1, 2, 3, 4))
GRU = tuple(f"gru:update_bias={bias}" for bias in (-2, -1, 0, 1, 2, 3))
FAINTEST = 1e-30
"""What stands for a signal of exactly 0."""


def judge(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge whether ``signal`` predicts ``solved``, the rate being given.

    Args:
        frame: ``task, cell, setting, lr, signal, solved``, a row a trial.
        bar: As fixed.

    Ranks are taken within a task, cell and rate, so that what goes with the rate alone counts for nothing; they are
    correlated within task and cell, and the bootstrap draws settings with all of their seeds and rates.
    """
    signal, solved = (_centred_ranks(frame, name) for name in ("signal", "solved"))
    groups = list(zip(frame["task"], frame["cell"], strict=True))
    settings = frame[["task", "setting"]].drop_duplicates()
    found = within_correlation(signal.tolist(), solved.tolist(), groups, list(frame["setting"]), bar.confidence)
    told = {"trials": len(frame), "by_group": _by_group(frame, signal, solved)}
    if found is None or found.low is None or found.high is None:
        return Verdict(Kind.UNDECIDED, len(settings)).told(**told, rho=math.nan)
    effect = Effect(found.value, found.low, found.high)
    return decide(effect, len(settings), bar).told(**told, rho=found.value)


def _centred_ranks(frame: pd.DataFrame, name: str) -> "pd.Series":
    """Return ranks within task, cell and rate, less their mean there."""
    given = frame.groupby(["task", "cell", "lr"])[name]
    ranks: pd.Series = given.rank() - (given.transform("size") + 1) / 2
    return ranks


def _by_group(frame: pd.DataFrame, signal: "pd.Series", solved: "pd.Series") -> str:
    told = []
    for (task, cell), rows in frame.groupby(["task", "cell"], sort=False):
        x, y = signal[rows.index], solved[rows.index]
        found = f"{np.corrcoef(x, y)[0, 1]:+.2f}" if x.std() > 0 and y.std() > 0 else "no variation"
        told.append(f"{task} {cell} {found} ({int(rows['solved'].sum())}/{len(rows)} solve)")
    return ", ".join(told)


def judge_counter(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge whether any trial solves though ``faint`` before training: one is enough against a *cannot*."""
    faint = frame[frame["faint"].astype(bool)]
    return exhibited(faint["solved"].astype(bool).tolist())


class Thread(Claim):
    """Johnston et al. 2025 (doi 10.1016/j.neunet.2024.106887) find the contrary: the rate decides."""

    sentence: ClassVar[str] = "Where the gradient fades with distance, the dependency cannot be learnt"
    paper: ClassVar[str] = "Hochreiter 1991; Bengio, Simard & Frasconi 1994; against it Johnston et al. 2025"
    boundary: ClassVar[str] = (
        "copy (1 item, 20 blanks, 600 updates; tanh, LSTM, GRU) and adding (20 steps, 400 updates; LSTM, GRU), 32 "
        "units, Adam, norm:1, each cell from six strengths of memory at the start, at rates .003, .01 and .03"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "within a cell and task, and at a given rate, networks that hear more of the furthest input needed "
            "before training solve the task more often",
            "rank correlation of the signal from the furthest step needed (lens `reach`) with solved, ranks within "
            "task, cell and rate; bootstrap over settings of the start",
            "a correlation below .3: the start, or the rate, would decide by something else",
            "Rank correlation {rho:+.2f} over {trials} trials of {n} settings ({by_group}).",
            judge,
            0.3,
            "rank correlation",
        ),
        Rule(
            "b",
            "so do, of the networks that have not solved it at a quarter of the budget, those that hear more by then",
            "as (a), of trials that go on after a quarter of the budget, with the signal there",
            "a correlation below .3",
            "Rank correlation {rho:+.2f} over {trials} trials that had not solved by then ({by_group}).",
            judge,
            0.3,
            "rank correlation",
        ),
        Rule(
            "c",
            "but *cannot* is too strong: some that hear next to nothing of it before training learn it all the same",
            "one trial that solves its task although less than 1 % of the signal arrives from the furthest step needed",
            "no such trial",
            "Of {n} trials that hear less than 1 % of it before training {shown} solve.",
            judge_counter,
        ),
    )

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return every cell from its six starts, at every rate."""
        seeds = {10: 3, 60: 12, 600: 40}[tier]
        common = {"clip": ("norm:1",), "lr": RATES, "eval_every": 50}
        copy = Grid(
            task=("copy:items=1,blanks=20",), cell=PLAIN + LSTM + GRU, seeds=tuple(range(seeds)), updates=600, **common
        )
        adding = Grid(task=("adding:length=20",), cell=LSTM + GRU, seeds=tuple(range(seeds)), updates=400, **common)
        return Study("claim-00", self.sentence, (copy, adding), lenses=("reach",))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return the signal that reaches each trial from the furthest step needed."""
        assert evidence.study is not None
        trials = evidence.trials[["key", "task", "cell", "lr", "seed", "status", "updates_to_solve"]]
        found = trials.merge(lens_numbers(evidence.study.lenses, "reach"), on="key")
        reached = found["reach_1pct"].fillna(-1)
        found = found.assign(
            setting=found["cell"].map(cell_label),
            task=found["task"].str.partition(":")[0],
            cell=found["cell"].str.partition(":")[0],
            signal=np.log10(found["needed_signal"].astype(float).clip(lower=FAINTEST)),
            solved=(found["status"] == "solved").astype(int),
            faint=(reached < found["needed_lag"]) & ~found["reach_open"].astype(bool),
        )
        ended = found["updates_to_solve"].astype("float64").fillna(np.inf) <= found["update"]
        columns = ["task", "cell", "setting", "lr", "seed", "signal", "solved", "faint"]
        start = found[found["phase"] == START]
        later = found[(found["phase"] == QUARTER) & ~ended]
        frames = {"a": start, "b": later, "c": start}
        return {name: rows[columns].reset_index(drop=True) for name, rows in frames.items()}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the solved share of each start by what it hears."""
        of = frames["a"].groupby(["task", "cell", "setting", "lr"], sort=False)
        shares = of.agg(x=("signal", "median"), y=("solved", "mean")).reset_index()
        points = shares.assign(panel=shares["task"] + " " + shares["cell"], series=shares["lr"].map("rate {:g}".format))
        return Picture(points[["panel", "series", "x", "y"]], "log10 of the signal before training", "solved share")
