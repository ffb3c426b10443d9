"""In a plain network with a small matrix the gradient fades exponentially, and never exceeds the bound."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, decide, mean_effect, proved
from longlag.claims.support.jacobians import random_plain
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.store.flat import lens_numbers, lens_tables
from longlag.values.frames import END, START

NETWORKS = 1000
TOLERANCE = 1e-9
TASKS = {"copy:items=1,blanks=20": "copy", "adding:length=50": "adding"}
_KINDS = ("tanh", "relu", "sigmoid", "linear")


def judge_bound(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``excess``: by how much, relatively, a network's signal exceeds (g s_max)^k anywhere."""
    verdict = proved(frame["excess"].tolist(), TOLERANCE)
    return verdict.told(below=-float(frame["excess"].max()))


def judge_slope(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``slope`` of log reach, in nats a step, a row a seed; the effect is how fast it falls."""
    effect = mean_effect((-frame["slope"]).tolist(), bar)
    solved = int(frame["solved"].sum())
    return decide(effect, len(frame), bar).told(slope=-effect.estimate, solved=solved, n=len(frame))


def _of_slopes(name: str, when: str, task: str) -> Rule:
    return Rule(
        name,
        f"{when}, at default initialisation, the signal falls exponentially with distance ({task})",
        "the slope of log reach over the lags (lens `reach`, by input), a mean over seeds with Student's interval",
        "a signal that keeps more than e^-.05 a step: half of it after 14 steps",
        "On {n} seeds of the tanh network it changes by {slope:.2g} nats a step ({solved} of {n} trials solve the "
        "task).",
        judge_slope,
        0.05,
        "nats a step, downwards",
    )


class Fading(Claim):
    """The theorem, computed; and what plain networks do whose matrix is not small."""

    sentence: ClassVar[str] = (
        "In a plain RNN the gradient from far back fades exponentially when the recurrent matrix is small"
    )
    paper: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 2"
    boundary: ClassVar[str] = "tanh network of 32 units, default initialisation, Adam at .01, norm:1, 600 updates"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "the signal never exceeds (g s_max)^k",
            f"{NETWORKS:,} random networks of 2 to 24 units over 20 steps in float64, s_max from .1 to 4, four "
            "nonlinearities: the largest |dy/dh_(T-k)| / |dy/dh_T| over (g s_max)^k, less 1, is at most "
            f"{TOLERANCE:g}",
            "one network over the bound by more than rounding",
            "Of {n} random networks none exceeds the bound (g s_max)^k; the nearest stays {below:.1e} of it below.",
            judge_bound,
        ),
        _of_slopes("b", "before training", "copy"),
        _of_slopes("c", "after training", "copy"),
        _of_slopes("d", "after training", "adding"),
    )

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study:
        """Return plain networks on two tasks, one that most seeds learn and one that they do not."""
        seeds = tuple(range({10: 16, 60: 40, 600: 100}[tier]))
        grid = Grid(task=tuple(TASKS), cell=("rnn",), clip=("norm:1",), lr=(0.01,), seeds=seeds, updates=600)
        return Study("claim-01", self.sentence, (grid,), lenses=("reach",))

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return the excess of each random network, and the slopes of each trial."""
        assert evidence.study is not None
        found = lens_numbers(evidence.study.lenses, "reach").merge(evidence.trials[["key", "task", "seed", "status"]])
        found = found.assign(solved=found["status"] == "solved", task=found["task"].map(TASKS))
        found = found.rename(columns={"reach_slope": "slope"})[["task", "phase", "seed", "slope", "solved"]]
        asked = {"b": (START, "copy"), "c": (END, "copy"), "d": (END, "adding")}
        return {"a": _excess(), "lags": _by_lag(evidence)} | {
            name: found[(found["phase"] == phase) & (found["task"] == task)].sort_values("seed")
            for name, (phase, task) in asked.items()
        }

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the signal by lag."""
        return Picture(frames["lags"], "steps back", "signal, of the strongest", "y")


def _excess() -> pd.DataFrame:
    rows = []
    for place in range(NETWORKS):
        network = random_plain(place, _KINDS[place % len(_KINDS)])
        held = network.signal().max(1)
        bound = network.factor ** np.arange(len(held))
        excess = float((held / bound)[1:].max() - 1)
        rows.append(
            {"network": place, "nonlinearity": network.nonlinearity, "factor": network.factor, "excess": excess}
        )
    return pd.DataFrame(rows)


def _by_lag(evidence: Evidence) -> pd.DataFrame:
    assert evidence.study is not None
    found = lens_tables(evidence.study.lenses, "reach", "input").merge(evidence.trials[["key", "task"]])
    found = found[found["phase"].isin([START, END]) & (found["lag"] >= 0)]
    named = {START: "before training", END: "after training"}
    shown = found.assign(panel=found["task"].map(TASKS), series=found["phase"].map(named))
    return shown.rename(columns={"lag": "x", "median": "y"})[["panel", "series", "x", "y"]]
