"""Trains a cohort: trials alike but for seed, learning rate and clip, their parameters one matrix.

Knows neither files nor printing: a finished trial is handed to a callback at once and leaves its cohort.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longlag import registry
from longlag.clips.base import Context, row_norms
from longlag.networks.build import backward_of, network_of
from longlag.networks.protocol import AnyNetwork
from longlag.optimisers.base import Update
from longlag.process.state import arithmetic
from longlag.tasks.base import Batch
from longlag.training.backward_audit import look
from longlag.training.blocks import blocks_of
from longlag.training.clip_audit import ClippingError, Ledger
from longlag.training.evaluation import to_device
from longlag.training.gradients import write_gradients
from longlag.training.stopping import EvaluationInterval, Record
from longlag.values.backward import PLAIN
from longlag.values.seeding import stream
from longlag.values.trial import Trial, TrialResult

JUMP = 100.0
"""A trial has exploded when one update multiplies the norm of its parameters by more than this."""

Keep = Callable[[TrialResult, AnyNetwork, Tensor], None]
"""What takes a trained network: the result, the network, and its parameters (P,)."""

Look = Callable[[Trial, int, bool, AnyNetwork, Tensor], None]
"""What looks at networks as they train: the trial, the updates done, whether it has ended, the network, its parameters
(P,), which are only read."""

QUANTITIES = ("loss", "gradient", "parameters")
"""Where an update looks for non-finite numbers, in the order in which they come about."""


def train(
    trials: Sequence[Trial],
    report: Callable[[TrialResult], None],
    environment: dict[str, Any] | None = None,
    keep: Keep | None = None,
    look: Look | None = None,
) -> None:
    """Train a cohort to its end and report each trial's result as soon as it has one.

    Args:
        trials: Trials with the same `Trial.cohort`, in any order.
        report: Called once a trial, in the order in which they end.
        environment: Stored with each result.
        keep: Called before that with each network that training has left with finite numbers.
        look: Called at every evaluation with each network whose numbers are finite, before `report` where it has ended.

    Raises:
        ClippingError: The optimiser took a gradient that its clip does not promise.
    """
    with arithmetic():
        cohort = Cohort(trials, environment or {})
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


class Cohort:
    """Trials trained together; a row of each (S, P) matrix is a trial, ordered by clip so that equal clips adjoin."""

    def __init__(self, trials: Sequence[Trial], environment: dict[str, Any]) -> None:
        assert len({trial.cohort for trial in trials}) == 1, "trials of a cohort differ in seed, lr and clip only"
        self.common = trials[0]
        self.task = registry.task(self.common.task)
        self.optimiser = registry.optimizer(self.common.optimizer)
        self.schedule = registry.schedule(self.common.schedule)
        self.network = network_of(self.common)
        ordered = sorted(trials, key=lambda trial: trial.clip)
        self.network.warm(self.task.tokens, self.common.device, self.common.dtype)
        names = ("batches", self.task.spec, self.task.version)
        self.streams = {trial.seed: stream(*names, trial.seed) for trial in trials}
        self.noises = {seed: stream("dropout", *names[1:], self.common.cell, seed) for seed in self.streams}
        self.weight_noises = {seed: stream("weight noise", self.common.cell, seed) for seed in self.streams}
        self.records = [Record(trial, self.network, self.task, environment) for trial in ordered]
        rows = torch.stack([torch.from_numpy(self.network.initial_row(trial.seed)) for trial in ordered])
        self.parameters = rows.to(self.common.device, getattr(torch, self.common.dtype))
        self.state = self.optimiser.start(self.parameters)
        factors = self.network.rate_factors()
        self.factors = None if factors is None else factors.to(self.parameters.device)
        remembered = max(registry.clip(trial.clip).memory_size(self.network.layout) for trial in trials)
        self.memory = torch.zeros(len(trials), remembered, dtype=torch.float64, device=self.parameters.device)
        self.dropped = torch.zeros(len(trials), dtype=torch.int64, device=self.parameters.device)
        self.update = 0
        self._make_buffers()

    def _make_buffers(self) -> None:
        """Make what follows the rows: gradients, rates, blocks, ledger, and the flags that an evaluation reads."""
        trials, device = [record.trial for record in self.records], self.parameters.device
        self.gradients = torch.zeros_like(self.parameters)
        self.rates = torch.tensor([[trial.lr] for trial in trials], dtype=torch.float64, device=device)
        self.backwards = [backward_of(trial) for trial in trials]
        inside = torch.tensor([backward != PLAIN for backward in self.backwards], device=device)
        self.blocks = blocks_of([registry.clip(trial.clip) for trial in trials])
        self.ledger = Ledger(self.blocks, inside)
        self.norms = self._trained_norms(self.parameters)
        self.active = torch.ones(len(trials), dtype=torch.bool, device=device)
        never = torch.zeros(len(trials), dtype=torch.int64, device=device)
        self.diverged_at, self.diverged_in, self.exploded_at = never, never, never
        self.losses: list[Tensor] = []
        self.was_active: list[Tensor] = []

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

    def step(self) -> None:
        """Do one update of every trial."""
        self.update += 1
        self._backward()
        self._clip()
        self._step()

    def _backward(self) -> None:
        batches, self.weights_read = self._batches(), self._with_noise()
        given = self.weights_read, self.gradients, batches
        losses = write_gradients(self.network, self.task, *given, self._noises(), self.backwards)
        self.losses.append(losses)
        self.was_active.append(self.active)
        self.context = Context(self.network.layout, self.parameters, self.memory)
        self.raw_norms = row_norms(self.gradients)
        for block in self.blocks:
            rows = block.rows
            block.clip.observe(self.gradients[rows], self.raw_norms[rows], self.context.rows(rows))
        self.ledger.before(self.gradients, self.context, self._plain_gradients(batches))

    def _plain_gradients(self, batches: list[Batch]) -> Tensor | None:
        """Return the plain gradients (S, P) at the last update before an evaluation, where there are others; else None.

        Raises:
            ClippingError: What is to happen inside the backward pass of an active trial did not happen.
        """
        due = self.update % self.common.eval_every == 0 or self.update == self.common.updates
        if not due or all(backward == PLAIN for backward in self.backwards):
            return None
        plain = self.gradients.clone()
        for place, backward in enumerate(self.backwards):
            if backward == PLAIN or not self.active[place]:
                continue
            of_trial = self.weights_read[place], self.gradients[place], batches[place]
            plain[place], fault = look(self.network, self.task, *of_trial, partial(self._noise, place), backward)
            if fault:
                trial = self.records[place].trial
                said = f"clip {trial.clip}" + (f" with truncate {trial.truncate}" if trial.truncate else "")
                raise ClippingError(f"{said}: {fault}")
        return plain

    def _batches(self) -> list[Batch]:
        """Draw this update's batches; trials of one seed share theirs."""
        seeds = [record.trial.seed for record in self.records]
        drawn = {}
        for seed in set(seeds):
            batch = self.task.draw(self.streams[seed].generator(self.update), self.common.batch_size)
            drawn[seed] = to_device(batch, str(self.parameters.device), self.parameters.dtype)
        return [drawn[seed] for seed in seeds]

    def _with_noise(self) -> Tensor:
        """Return the weights that this update reads, (S, P): the parameters, with Gaussian noise where there is any.

        Trials of one seed share theirs, whatever their clip and rate.
        """
        if not self.common.weight_noise:
            return self.parameters
        layout, drawn = self.network.layout, {}
        for seed in {record.trial.seed for record in self.records}:
            generator = self.weight_noises[seed].generator(self.update)
            noise = {slot.name: generator.standard_normal(slot.shape) for slot in layout.slots}
            row = layout.row({name: value * (name not in self.network.frozen) for name, value in noise.items()})
            drawn[seed] = torch.from_numpy(row * self.common.weight_noise).to(self.parameters)
        return self.parameters + torch.stack([drawn[record.trial.seed] for record in self.records])

    def _noises(self) -> list[np.random.Generator] | None:
        """Return what this update's dropout draws from: equal for trials of one seed, but never shared."""
        found = [self._noise(place) for place in range(len(self.records))]
        return [noise for noise in found if noise is not None] or None

    def _noise(self, place: int) -> np.random.Generator | None:
        if not (self.common.dropout or self.network.makes_noise):
            return None
        return self.noises[self.records[place].trial.seed].generator(self.update)

    def _clip(self) -> None:
        for block in self.blocks:
            rows = block.rows
            block.clip.apply(self.gradients[rows], self.raw_norms[rows], self.context.rows(rows))

    def _step(self) -> None:
        """Update the active trials, and freeze by selection those that became non-finite or jumped."""
        rates = self.rates * self.schedule.factor(self.update, self.common.updates)
        if self.factors is not None:
            rates = rates * self.factors
        drops = self._dropped()
        before = {name: value.clone() for name, value in self.state.items()} if drops is not None else {}
        update = Update(
            self.parameters, self.gradients, rates.to(self.parameters.dtype), self._updates_taken(drops),
            self.common.weight_decay, self.network.layout,
        )  # fmt: skip
        step = self.optimiser.step(update, self.state, self.ledger.taken)
        moves, sound = self.active, self.losses[-1].isfinite() | self._replaced()
        if drops is not None:
            moves, sound = moves & ~drops, sound | drops  # what is not learnt from may be anything
            self.state = {name: torch.where(drops.unsqueeze(1), old, self.state[name]) for name, old in before.items()}
        moved = torch.where(moves.unsqueeze(1), self.parameters - step, self.parameters)
        norms = self._trained_norms(moved)
        finite = torch.stack([sound, self.ledger.taken_norms[-1].isfinite(), norms.isfinite()])
        diverged = self.active & ~finite.all(0)
        exploded = self.active & ~diverged & (norms > JUMP * self.norms)
        self.diverged_at = torch.where(diverged, self.update, self.diverged_at)
        self.diverged_in = torch.where(diverged, finite.int().argmin(0), self.diverged_in)
        self.exploded_at = torch.where(exploded, self.update, self.exploded_at)
        self.active = self.active & ~diverged & ~exploded
        self.parameters, self.norms = moved, norms

    def _trained_norms(self, parameters: Tensor) -> Tensor:
        """Return the norms of all that is trained, (S,) float64."""
        frozen = [slot for slot in self.network.layout.slots if slot.name in self.network.frozen]
        if frozen:
            parameters = parameters.clone()
            for slot in frozen:
                parameters[:, slot.offset : slot.offset + slot.size] = 0
        return row_norms(parameters)

    def _dropped(self) -> Tensor | None:
        """Say which trials drop this update, (S,) bool; None where no clip here ever drops one."""
        if not any(block.clip.drops for block in self.blocks):
            return None
        return torch.cat([block.clip.dropped(self.raw_norms[block.rows]) for block in self.blocks])

    def _replaced(self) -> Tensor:
        """Say whose gradient was replaced in this update, (S,) bool: nothing was learnt from its loss either."""
        return torch.cat([block.clip.replaced(self.raw_norms[block.rows]) for block in self.blocks])

    def _updates_taken(self, drops: Tensor | None) -> tuple[int, ...]:
        """Return how many updates the optimiser has taken for each trial, this one included."""
        if drops is None:
            return (self.update,) * len(self.records)
        self.dropped += drops
        return tuple((self.update - self.dropped + drops.int()).tolist())

    def intervals(self) -> list[EvaluationInterval]:
        """Return what each trial went through since the last evaluation; before the first update, nothing."""
        count = len(self.records)
        active = torch.stack(self.was_active) if self.was_active else torch.zeros(0, count, dtype=torch.bool)
        losses = torch.stack(self.losses) if self.losses else torch.zeros(0, count)
        accounts = self.ledger.flush(active)
        found = []
        for place in range(count):
            diverged_at, exploded_at = int(self.diverged_at[place]), int(self.exploded_at[place])
            found.append(
                EvaluationInterval(
                    update=self.update,
                    losses=losses[active[:, place], place].cpu(),
                    account=accounts[place],
                    parameter_norm=float(self.norms[place]),
                    diverged=(diverged_at, QUANTITIES[int(self.diverged_in[place])]) if diverged_at else None,
                    exploded_at=exploded_at or None,
                )
            )
        return found

    def judge(self, place: int, interval: EvaluationInterval) -> TrialResult | None:
        """Let one trial's record take in an interval; return the trial's result if it has ended."""
        started = time.perf_counter()
        record = self.records[place]
        result = record.judge(interval, self.parameters[place])
        record.seconds += time.perf_counter() - started
        return result

    def retain(self, places: list[int]) -> None:
        """Go on with these rows only."""
        if len(places) < len(self.records):
            self.records = [self.records[place] for place in places]
            self.parameters = self.parameters[places]
            self.state = {name: value[places] for name, value in self.state.items()}
            self.memory, self.dropped = self.memory[places], self.dropped[places]
            self._make_buffers()
