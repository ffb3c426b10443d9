"""An RNN cannot carry "tickets" across the story: at how many clauses a plain RNN and an LSTM still name them."""

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support import ladder
from longlag.claims.support.decisions import Bar, Verdict, exhibited
from longlag.claims.support.rates import Rates
from longlag.plan.study import Study

CELLS = {
    "stock": {"rnn": "RNN", "lstm": "LSTM"},
    "tuned": {"rnn:init=orthogonal": "RNN", "lstm:init=chrono": "LSTM"},
}
"""A plain network has no gates whose bias could be tuned: what is tuned of it is its first recurrent matrix."""
LADDER = tuple(f"recall:clauses={clauses},loud=2" for clauses in (0, 4, 11))
"""Smallest windows of 25, 53 and 102 words."""
RUNGS, SEEDS = {60: 1, 600: 3}, {60: 14, 600: 60}
"""By tier: rungs from the first on, and seeds on each."""
RATES = (1e-2, 3e-2)
BUDGET = {"updates": 3500, "eval_every": 250, "hidden_size": 64}
"""Large ones: of 16 first trials with 32 units, one a setting, none had learnt the stories after 1,500 updates."""
PARTS = {"a": "stock", "b": "tuned"}


def judge(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``solved`` by ``cell, lag, seed``: by how many doublings of the lag the LSTM carries further."""
    return ladder.compared(frame, ("LSTM", "RNN"), bar)


def judge_counter(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge whether any plain network solves the longest story asked: one is enough against a *cannot*."""
    longest = frame[(frame["cell"] == "RNN") & (frame["lag"] == frame["lag"].max())]
    return exhibited(longest["solved"].astype(bool).tolist()).told(lag=int(frame["lag"].max()))


def _rule(name: str) -> Rule:
    starts = {
        "stock": "as both usually start (forget bias 1)",
        "tuned": "each from a start that is made for long memories (chrono biases against an orthogonal matrix)",
    }
    return Rule(
        name,
        f"{starts[PARTS[name]]}, an LSTM carries them across longer stories than a plain RNN",
        "difference of the mean log2 horizon: solved share of LSTM less RNN on the same seeds, summed over rungs of "
        "one doubling of the lag, which have seeds of their own (Newcombe 1998b, joined by Zou & Donner 2008); on "
        "each rung the best rate of each cell from three other seeds, the same first ones tried for both, in steps "
        f"of 1.5 around the best where a seed solves; {ladder.LEFT_OPEN}",
        "an LSTM that carries less than half a doubling further",
        "Half of the seeds that learn still name the noun over {lstm} words with LSTM, and over {rnn} with RNN ({n} "
        "seeds on each of {rungs} rungs).{left}",
        judge,
        0.5,
        ladder.DOUBLINGS,
        60,
    )


class Tickets(Claim):
    """Where stock and tuned differ, the start is what was measured, and not the cell."""

    sentence: ClassVar[str] = "An RNN cannot carry tickets across the story"
    paper: ClassVar[str] = "Bengio, Simard & Frasconi 1994; LAMBADA: Paperno et al. 2016"
    boundary: ClassVar[str] = (
        "recall: stories of 30 words (tier 600: of 58 and 107, too), whose last word is one of 50 nouns named in the "
        f"first clause; {BUDGET['hidden_size']} units, Adam, norm:1, {BUDGET['updates']} updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        *map(_rule, PARTS),
        Rule(
            "c",
            "but *cannot* is too strong: some plain RNN does, from one start or the other",
            "one trial of a plain network, from either start, that solves the longest stories asked",
            "no such trial",
            "Of {n} plain networks {shown} name the noun over {lag} words.",
            judge_counter,
            lowest=60,
        ),
    )

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grid of every rung and cell."""
        grid = ladder.search_grid(LADDER[: RUNGS[tier]], _cells(), lr=RATES, **BUDGET)
        return {"rates": Study("claim-06-rates", f"{self.sentence}: rates", (grid,))}

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return every rung with every cell at its best rate."""
        rungs = LADDER[: RUNGS[tier]]
        grids = ladder.reported_grids(rungs, _cells(), rates["rates"], SEEDS[tier], **BUDGET)
        return Study("claim-06", self.sentence, tuple(grids))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended on each rung."""
        frames = {name: ladder.rungs_of(evidence.trials, LADDER, CELLS[start]) for name, start in PARTS.items()}
        return {**frames, "c": pd.concat(frames.values(), ignore_index=True)}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show solved shares by lag."""
        return ladder.picture(frames, PARTS)


def _cells() -> list[str]:
    return [cell for cells in CELLS.values() for cell in cells]
