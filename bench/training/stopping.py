"""The record of one trial while it trains, and the rules by which the trial ends."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Task
from longlag.training import evaluation
from longlag.training.clip_audit import Account
from longlag.values.trial import Measurement, Status, Transfer, Trial, TrialResult, fingerprint_of

HIGH_LOSS = 10.0
"""A trial has exploded when its loss is more than this many times the loss before training ..."""
HIGH_EVALUATIONS = 3
"""... at this many evaluations in a row; or when its parameters jump in one update (`training.update.JUMP`)."""


@dataclass(frozen=True)
class EvaluationInterval:
    """The updates of one trial between two evaluations.

    Attributes:
        update: Number of updates done at the end of the interval.
        losses: (U,), the training loss of each update.
        account: Gradient norms and the effect of clipping.
        parameter_norm: Euclidean norm of all trained parameters at the end.
        diverged: The update at which a number became non-finite, and the name of that quantity; None if none did.
        exploded_at: The update at which the parameters jumped; None if they did not.
    """

    update: int
    losses: Tensor
    account: Account
    parameter_norm: float
    diverged: tuple[int, str] | None = None
    exploded_at: int | None = None


@dataclass
class Record:
    """One trial's curve and the other parts of its result; `judge` adds an interval and may end the trial.

    Attributes:
        trial: The trial.
        network: Its network.
        task: Its task.
        environment: Versions and machine, stored with the result.
        seconds: This trial's share of its cohort's time so far, in seconds.
    """

    trial: Trial
    network: AnyNetwork
    task: Task
    environment: dict[str, Any]
    seconds: float = 0.0
    _curve: list[Measurement] = field(default_factory=list)
    _account: Account | None = None
    _looks: int = 0
    _solved: dict[str, Any] | None = None

    def judge(self, interval: EvaluationInterval, row: Tensor) -> TrialResult | None:
        """Add an interval, evaluate the parameters at its end, and return the result if the trial has ended.

        Args:
            interval: The updates since the last evaluation.
            row: (P,), the parameters at its end.

        Returns:
            The result; None while the trial goes on.
        """
        self._account = self._account.join(interval.account) if self._account else interval.account
        if interval.diverged:
            at, quantity = interval.diverged
            return self._result(Status.DIVERGED, at, diverged_at=at, diverged_in=quantity)
        outcome = evaluation.evaluate(self.network, self.task, row)
        if not (math.isfinite(outcome.loss) and math.isfinite(outcome.error)):
            at = interval.exploded_at or interval.update  # parameters that jumped have not moved since
            return self._result(Status.DIVERGED, at, diverged_at=at, diverged_in="loss")
        self._curve.append(_measurement(interval, outcome, self.network.orthogonality_error(row)))
        exploded_at = interval.exploded_at or (interval.update if self._stays_high() else None)
        if exploded_at:
            return self._result(Status.EXPLODED, exploded_at, row, exploded_at=exploded_at)
        if self._solved is None and self._below(-1) and self._below(-2):
            self._look_closer(row)
        if interval.update >= self.trial.updates or (self._solved and self.trial.stop == "solved"):
            return self._result(Status.UNSOLVED, interval.update, row)
        return None

    def _below(self, place: int) -> bool:
        return len(self._curve) >= -place and self._curve[place].error < self.task.solved_below

    def _look_closer(self, row: Tensor) -> None:
        """Test a network that seems to have solved its task on sequences that no stopping rule has seen."""
        self._looks += 1
        confirmed = evaluation.confirm(self.network, self.task, row, self._looks)
        if confirmed < self.task.solved_below:
            self._solved = {"confirmed_error": confirmed, "updates_to_solve": self._curve[-2].update}

    def _stays_high(self) -> bool:
        limit = HIGH_LOSS * self._curve[0].loss
        recent = self._curve[-HIGH_EVALUATIONS:]
        return len(recent) == HIGH_EVALUATIONS and all(point.loss > limit for point in recent)

    def _transfer(self, row: Tensor) -> tuple[Transfer, ...]:
        return evaluation.at_test_lags(self.network, self.task, row, self.trial.test_lags)

    def _result(self, status: Status, updates: int, row: Tensor | None = None, **ended: Any) -> TrialResult:
        """Return the result. A trial that has solved its task has the status solved, whatever happened later."""
        last_error = None if status is Status.DIVERGED else self._curve[-1].error
        status, ended = (Status.SOLVED, ended | self._solved) if self._solved else (status, ended)
        account = self._account
        assert account is not None
        largest, largest_at = account.largest or (None, None)
        return TrialResult(
            trial=self.trial,
            status=status,
            error=last_error,
            updates=updates,
            path=self.network.path(self.trial.device, self.trial.dtype),
            grad_norm_median=account.median,
            grad_norm_max=largest,
            grad_norm_max_at=None if largest_at is None else largest_at + 1,
            grad_norm_after_max=account.largest_taken,
            clipped_fraction=account.clipped_fraction,
            clip_cosine=account.mean_cosine,
            num_parameters=self.network.num_parameters,
            num_frozen=self.network.num_frozen or None,
            state_size=self.network.state_size,
            example={} if row is None else evaluation.example(self.network, self.task, row),
            transfer=() if row is None else self._transfer(row),
            measurements=tuple(self._curve),
            wall_seconds=self.seconds,
            environment=self.environment,
            fingerprint=fingerprint_of(status, updates, self._curve),
            **ended,
        )


def _measurement(
    interval: EvaluationInterval, outcome: evaluation.Evaluation, orthogonality_error: float | None
) -> Measurement:
    largest = interval.account.largest
    return Measurement(
        update=interval.exploded_at or interval.update,
        loss=outcome.loss,
        error=outcome.error,
        train_loss=float(interval.losses.double().mean()) if len(interval.losses) else None,
        grad_norm_median=interval.account.median,
        grad_norm_max=largest[0] if largest else None,
        clipped_fraction=interval.account.clipped_fraction,
        clip_cosine=interval.account.mean_cosine,
        parameter_norm=interval.parameter_norm,
        slices=outcome.slices,
        orthogonality_error=orthogonality_error,
    )
