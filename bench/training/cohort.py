"""Trains a cohort: trials that differ in seed, learning rate and clip only, with their parameters in one matrix.

Training neither writes files nor prints: each finished trial leaves its cohort, and its result goes to a callback.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.networks.protocol import AnyNetwork
from longlag.process.state import arithmetic
from longlag.training.stopping import EvaluationInterval, Record
from longlag.training.update import QUANTITIES, Matrices
from longlag.values.trial import Trial, TrialResult

Keep = Callable[[TrialResult, AnyNetwork, Tensor], None]
"""A callback for trained networks; its arguments are the result, the network and the parameters (P,)."""

Look = Callable[[Trial, int, bool, AnyNetwork, Tensor], None]
"""A callback for networks in training; its arguments are the trial, the updates done, whether the trial has ended, the
network, and the parameters (P,), which it must not change."""


def train(
    trials: Sequence[Trial],
    report: Callable[[TrialResult], None],
    environment: dict[str, Any] | None = None,
    keep: Keep | None = None,
    look: Look | None = None,
    audit_every: bool = False,
) -> None:
    """Train a cohort to its end and report each trial's result as soon as it has one.

    Args:
        trials: Trials with the same `Trial.cohort`, in any order.
        report: Called once for each trial, in the order in which they end.
        environment: Versions and machine, stored with each result.
        keep: Called before `report` with each trained network whose parameters are finite.
        look: Called at every evaluation with each network whose parameters are finite; if the trial has ended, before
            `report`.
        audit_every: Whether compiled passes are audited at every update; else at the last before each evaluation.

    Raises:
        ClippingError: The optimiser took a gradient that its clip does not promise.
    """
    with arithmetic():
        cohort = Cohort(trials, environment or {}, audit_every)
        while True:
            results = [cohort.judge(place, interval) for place, interval in enumerate(cohort.intervals())]
            for place, result in enumerate(results):
                if look is not None and (result is None or result.has_network):
                    trial, done = cohort.records[place].trial, result.updates if result else cohort.update
                    look(trial, done, result is not None, cohort.network, cohort.parameters[place])
                if result is not None:
                    if keep is not None and result.has_network:
                        keep(result, cohort.network, cohort.parameters[place])
                    report(result)
            going_on = [place for place, result in enumerate(results) if result is None]
            if not going_on:
                return
            cohort.retain(going_on)
            cohort.advance()


class Cohort(Matrices):
    """Trials trained together, with a record of each.

    Args:
        trials: Trials that differ in seed, learning rate and clip only.
        environment: Versions and machine, stored with each result.
        audit_every: Whether compiled passes are audited at every update; else at the last before each evaluation.
    """

    def __init__(self, trials: Sequence[Trial], environment: dict[str, Any], audit_every: bool = False) -> None:
        super().__init__(trials, audit_every)
        self.records = [Record(trial, self.network, self.task, environment) for trial in self.trials]

    def advance(self) -> None:
        """Do the updates up to the next evaluation."""
        started = time.perf_counter()
        self.losses, self.was_active = [], []
        every = self.common.eval_every
        end = min(self.update - self.update % every + every, self.common.updates)
        while self.update < end:
            self.step()
        for record in self.records:
            record.seconds += (time.perf_counter() - started) / len(self.records)

    def intervals(self) -> list[EvaluationInterval]:
        """Return for each trial the interval since the last evaluation; it is empty before the first update."""
        count = len(self.records)
        active = torch.stack(self.was_active) if self.was_active else torch.zeros(0, count, dtype=torch.bool)
        losses = torch.stack(self.losses) if self.losses else torch.zeros(0, count)
        accounts = self.ledger.flush(active)
        intervals = []
        for place in range(count):
            diverged_at, exploded_at = int(self.diverged_at[place]), int(self.exploded_at[place])
            intervals.append(
                EvaluationInterval(
                    update=self.update,
                    losses=losses[active[:, place], place].cpu(),
                    account=accounts[place],
                    parameter_norm=float(self.norms[place]),
                    diverged=(diverged_at, QUANTITIES[int(self.diverged_in[place])]) if diverged_at else None,
                    exploded_at=exploded_at or None,
                )
            )
        return intervals

    def judge(self, place: int, interval: EvaluationInterval) -> TrialResult | None:
        """Add an interval to one trial's record; return the trial's result if it has ended.

        Args:
            place: The trial's row.
            interval: The updates since the last evaluation.
        """
        started = time.perf_counter()
        record = self.records[place]
        result = record.judge(interval, self.parameters[place])
        record.seconds += time.perf_counter() - started
        return result

    def retain(self, places: list[int]) -> None:
        """Continue with the trials in these rows only."""
        if len(places) < len(self.records):
            self.records = [self.records[place] for place in places]
            self.keep(places)
