"""Recurrent language models learn what is near in sequence, not in structure: errors of attraction."""

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from longlag.claims.base import TUNING_SEEDS, Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Kind, Verdict, decide, mean_effect
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study

NOUNS = 3
TASK = f"agreement:nouns=0-{NOUNS}"
CELLS = ("rnn", "lstm")
RATES = (3e-3, 1e-2, 3e-2)
BROKEN = 0.4
"""A cell with such an error where no noun attracts has learnt nothing; .5 overall may be the last noun's rule."""


def judge_plain(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge the attraction of the plain network: ``attracted`` less ``congruent``, a row a seed and cell."""
    of = frame[frame["cell"] == "rnn"]
    return _judged((of["attracted"] - of["congruent"]).tolist(), frame, ["rnn"], bar)


def judge_difference(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge the attraction of the plain network less that of the LSTM, by seed: a difference in differences."""
    attraction = frame.assign(attraction=frame["attracted"] - frame["congruent"])
    wide = (
        attraction.pivot_table(index="seed", columns="cell", values="attraction").reindex(columns=list(CELLS)).dropna()
    )
    return _judged((wide["rnn"] - wide["lstm"]).tolist(), frame, list(CELLS), bar)


def _judged(effects: list[float], frame: pd.DataFrame, cells: list[str], bar: Bar) -> Verdict:
    told: dict[str, float] = {}
    for cell in CELLS:
        of = frame[frame["cell"] == cell]
        told |= {f"{cell}_{name}": float(of[name].mean()) for name in ("attracted", "congruent")}
    rates = ", ".join(f"{cell} {lr:g}" for cell, lr in frame.groupby("cell")["lr"].first().items())
    verdict = decide(mean_effect(effects, bar), len(effects), bar)
    broken = [cell for cell in cells if not told[f"{cell}_congruent"] <= BROKEN]
    if broken:
        verdict = Verdict(Kind.UNDECIDED, verdict.n, verdict.effect)
    left = f" Left open: {', '.join(broken)} has not learnt agreement without attractors either." if broken else ""
    return verdict.told(**told, rates=rates, left=left)


class Attraction(Claim):
    """Of sentences with three nouns in between, those that all attract and those that none does: equal distances."""

    sentence: ClassVar[str] = (
        "RNN language models learn better from what is near in sequence than from what is near in structure"
    )
    paper: ClassVar[str] = "Linzen, Dupoux & Goldberg 2016"
    boundary: ClassVar[str] = (
        f"agreement with {NOUNS} nouns between subject and verb, next-word objective, 32 units, Adam, norm:1, 800 "
        "updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "a plain RNN errs more where all nouns in between attract than where none does, at equal distance",
            f"its error on held-out sentences with {NOUNS} attractors less that with {NOUNS} congruent nouns, which "
            "are as far; a mean over seeds with Student's interval; left open if its error without attractors "
            f"exceeds {BROKEN:g}",
            "errors that attractors raise by less than 10 points",
            "Error with attractors and without: RNN {rnn_attracted:.2f} and {rnn_congruent:.2f} (rates: "
            "{rates}).{left}",
            judge_plain,
            0.1,
            "error",
        ),
        Rule(
            "b",
            "and this is so of the plain RNN more than of the LSTM",
            "the same of the plain RNN less that of the LSTM, by seed (difference in differences); rates from three "
            "other seeds, the same first ones tried for both, in steps of 1.5 around the best where a seed solves",
            "an LSTM that is attracted as much, but for 10 points",
            "Error with attractors and without: RNN {rnn_attracted:.2f} and {rnn_congruent:.2f}, LSTM "
            "{lstm_attracted:.2f} and {lstm_congruent:.2f} (rates: {rates}).{left}",
            judge_difference,
            0.1,
            "error, difference in differences",
        ),
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grid of rates."""
        return {"rates": Study("claim-05-rates", f"{self.sentence}: rates", (_grid(CELLS, RATES, TUNING_SEEDS),))}

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return both cells, each at its best rate."""
        seeds = tuple(range({10: 16, 60: 40, 600: 120}[tier]))
        grids = tuple(_grid((cell,), (rates["rates"].best(cell=cell)[0],), seeds) for cell in CELLS)
        return Study("claim-05", self.sentence, grids)

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return the errors of each trial at its last evaluation."""
        assert evidence.study is not None
        slices = evidence.study.slices
        last = slices[slices["update"] == slices.groupby("key")["update"].transform("max")]
        all_of = {"congruent": "congruent", "attractors": "attracted"}  # three of a kind: no other noun is there
        last = last[last["slice"].isin(list(all_of)) & (last["value"].astype(str) == str(NOUNS))]
        errors = last.assign(slice=last["slice"].map(all_of)).pivot_table(index="key", columns="slice", values="error")
        errors = errors.reset_index()
        frame = evidence.trials[["key", "cell", "lr", "seed", "status"]].merge(errors, on="key")
        frame = frame.drop(columns="key").sort_values(["cell", "seed"]).reset_index(drop=True)
        return {"a": frame, "b": frame}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show both errors of every seed."""
        long = frames["a"].melt(["cell", "seed"], ["congruent", "attracted"], "x", "y")
        named = {"congruent": "none attracts", "attracted": "all attract"}
        long = long.assign(panel=long["cell"].str.upper(), series="a seed", x=long["x"].map(named))
        return Picture(long[["panel", "series", "x", "y"]], f"the {NOUNS} nouns in between", "error")


def _grid(cells: tuple[str, ...], rates: tuple[float, ...], seeds: tuple[int, ...]) -> Grid:
    return Grid(task=(TASK,), cell=cells, clip=("norm:1",), lr=rates, seeds=seeds, updates=800, eval_every=100)
