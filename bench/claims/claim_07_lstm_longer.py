"""An LSTM keeps information over more steps than a plain RNN: horizons of both, each as it starts and tuned."""

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support import ladder
from longlag.claims.support.decisions import Bar, Verdict
from longlag.claims.support.rates import Rates
from longlag.plan.study import Study

CELLS = {
    "stock": {"rnn": "RNN", "lstm": "LSTM"},
    "tuned": {"rnn:init=orthogonal": "RNN", "lstm:init=chrono": "LSTM"},
}
"""A plain network has no gates whose bias could be tuned: what is tuned of it is its first recurrent matrix."""
LADDERS = {
    "copy": tuple(f"copy:items=1,blanks={blanks}" for blanks in (6, 14, 30, 62, 126, 254)),
    "adding": tuple(f"adding:length={length}" for length in (8, 16, 34, 68, 136, 272)),
}
RUNGS, SEEDS = {60: 4, 600: 6}, {60: 20, 600: 60}
"""By tier: rungs from the first on, and seeds on each."""
BUDGET = {"updates": 800, "eval_every": 100}
PARTS = {"a": ("copy", "stock"), "b": ("copy", "tuned"), "c": ("adding", "stock"), "d": ("adding", "tuned")}


def judge(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``solved`` by ``cell, lag, seed``: by how many doublings of the lag the LSTM carries further."""
    return ladder.compared(frame, ("LSTM", "RNN"), bar)


def _rule(name: str) -> Rule:
    task, start = PARTS[name]
    starts = {
        "stock": "as both usually start (forget bias 1)",
        "tuned": "each from a start that is made for long memories (chrono biases against an orthogonal matrix)",
    }
    return Rule(
        name,
        f"{task}: {starts[start]}, the LSTM solves it at longer lags",
        "difference of the mean log2 horizon: solved share of LSTM less RNN on the same seeds, summed over rungs of "
        "one doubling of the lag, which have seeds of their own (Newcombe 1998b, joined by Zou & Donner 2008); on "
        "each rung the best rate of each cell from three other seeds, the same first ones tried for both, in steps "
        f"of 1.5 around the best where a seed solves; {ladder.LEFT_OPEN}",
        "an LSTM that carries less than one doubling further",
        "Half of the seeds that learn still solve at a lag of {lstm} with LSTM, and of {rnn} with RNN ({n} seeds on "
        "each of {rungs} rungs).{left}",
        judge,
        1.0,
        ladder.DOUBLINGS,
        60,
    )


class LstmLonger(Claim):
    """Where stock and tuned differ, the start is what was measured, and not the cell."""

    sentence: ClassVar[str] = "An LSTM keeps information over more steps than a plain RNN"
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997; chrono: Tallec & Ollivier 2018"
    boundary: ClassVar[str] = (
        "one symbol to copy and two numbers to add, smallest windows of 8 to 64 steps (tier 600: to 256), 32 units, "
        f"Adam, norm:1, {BUDGET['updates']} updates"
    )
    rules: ClassVar[tuple[Rule, ...]] = tuple(map(_rule, PARTS))

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grid of every rung and cell."""
        cells = [*CELLS["stock"], *CELLS["tuned"]]
        grids = tuple(ladder.search_grid(rungs[: RUNGS[tier]], cells, **BUDGET) for rungs in LADDERS.values())
        return {"rates": Study("claim-07-rates", f"{self.sentence}: rates", grids)}

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return every rung with every cell at its best rate."""
        cells = [*CELLS["stock"], *CELLS["tuned"]]
        grids = [
            grid
            for rungs in LADDERS.values()
            for grid in ladder.reported_grids(rungs[: RUNGS[tier]], cells, rates["rates"], SEEDS[tier], **BUDGET)
        ]
        return Study("claim-07", self.sentence, tuple(grids))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return how trials ended on each rung."""
        return {
            name: ladder.rungs_of(evidence.trials, LADDERS[task], CELLS[start]) for name, (task, start) in PARTS.items()
        }

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show solved shares by lag."""
        return ladder.picture(frames, {name: f"{task}, {start}" for name, (task, start) in PARTS.items()})
