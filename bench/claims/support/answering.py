"""Answers a claim: searches rates, trains what is missing, and lets each rule judge its frame."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from longlag.claims.base import Claim, Evidence, Rule
from longlag.claims.support.decisions import Verdict
from longlag.claims.support.rates import Rates
from longlag.experiments import tuning
from longlag.plan.study import Study
from longlag.store.results import load, load_study

FOLDER = "claims"
"""In the folder of all results: the studies of claims, their verdicts, page and figures."""

AROUND_THE_BEST = 1.0
"""Trials that a search adds to its coarse grid, as a share of it: for estimates, roughly."""

Train = Callable[[Study], bool]
"""Trains what is missing of a study; says whether every trial has a result."""


@dataclass(frozen=True)
class Bench:
    """Where and how claims are answered.

    Attributes:
        folder: Of claims.
        tier: One of `longlag.claims.base.TIERS`.
        train: Trains into the folder.
    """

    folder: Path
    tier: int
    train: Train


@dataclass(frozen=True, eq=False)
class Answer:
    """The outcome of a claim.

    Attributes:
        claim: The claim.
        verdicts: By the name of a rule.
        frames: What the rules were given, and what the figure shows.
        seconds: What it took: those of its trials, whenever they were trained, and of what is computed each time.
        trials: How many were trained for it, those of searches included.
    """

    claim: Claim
    verdicts: Mapping[str, Verdict]
    frames: Mapping[str, pd.DataFrame]
    seconds: float
    trials: int

    def judged(self) -> list[tuple[Rule, Verdict]]:
        """Return each rule that was asked with its verdict."""
        return [(rule, self.verdicts[rule.name]) for rule in self.claim.rules if rule.name in self.verdicts]


def planned(claim: Claim, tier: int) -> list[Study]:
    """Return the studies of a claim: coarse searches, and the reported trials at rates that stand in."""
    if not claim.asked_in(tier):
        return []
    searches = claim.searches(tier)
    study = claim.study(tier, {name: Rates() for name in searches})
    return [*searches.values(), *([study] if study else [])]


def answer(claim: Claim, bench: Bench) -> Answer | None:
    """Answer a claim, training only what is missing; None where some trials failed, which is no verdict.

    Raises:
        UsageError: A study names something impossible.
        StoreError: A store cannot be used.
    """
    tuned: dict[str, pd.DataFrame] = {}
    for name, search in claim.searches(bench.tier).items():
        found = tuning.searched(search, lambda plan: load(plan, bench.folder, True) if bench.train(plan) else None)
        if found is None:
            return None
        tuned[name] = found
    study = claim.study(bench.tier, {name: Rates(trials) for name, trials in tuned.items()})
    if study is not None and not bench.train(study):
        return None
    data = None if study is None else load_study(study, bench.folder)
    started = time.perf_counter()
    frames = claim.frames(Evidence(bench.tier, data, tuned))
    verdicts = {rule.name: rule.judge(frames[rule.name], claim.bar(rule)) for rule in claim.asked_in(bench.tier)}
    seconds = time.perf_counter() - started
    trained = [*tuned.values(), *([] if data is None else [data.trials])]
    seconds += sum(float(trials["wall_seconds"].sum()) for trials in trained)
    return Answer(claim, verdicts, frames, seconds, sum(map(len, trained)))
