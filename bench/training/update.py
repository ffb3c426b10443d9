"""The update: the matrices of a cohort, with a row for each trial, and how one update changes them.

At update n, these steps follow each other for each trial with parameters θ:

1. Its batch is drawn, and the weights that are read: θ, plus noise if the trial has any.
2. The loss L and the gradient g = dL/dθ are computed; a clip may act inside the backward pass (`longlag.networks`).
3. g is clipped by this trial's norm alone; the ledger notes |g| before and after.
4. The optimiser takes g:  θ <- θ - η f_n step(g), with the learning rate η and the schedule's factor f_n.
5. The trial has diverged if L, |g| after clipping, or |θ| is not finite; it has exploded if |θ| has grown more than a
   hundredfold. From then on its row is frozen.

Steps 3 and 4 are compiled passes over the row (`longlag.passes`) if clip and optimiser have one; else they are code in
torch, which works on all rows of a clip together. Which of the two depends on the trial alone, never on its company.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from longlag import registry
from longlag.clips.base import Context, row_norms
from longlag.networks.build import backward_of, network_of
from longlag.optimisers.base import Update
from longlag.passes.noted import AFTER
from longlag.scans.find import serves
from longlag.tasks.base import Batch
from longlag.training.backward_audit import look
from longlag.training.blocks import Block, blocks_of
from longlag.training.clip_audit import ClippingError, Ledger
from longlag.training.draws import Draws
from longlag.training.gradients import write_gradients
from longlag.values.backward import PLAIN
from longlag.values.trial import Trial

if TYPE_CHECKING:
    from longlag.passes.row import Row

JUMP = 100.0
"""A trial has exploded when one update multiplies the norm of its parameters by more than this."""

QUANTITIES = ("loss", "gradient", "parameters")
"""The quantities in which an update looks for non-finite numbers, in the order in which they are computed."""


class Matrices:
    """The (S, P) matrices of a cohort; each row is a trial, sorted by clip so that equal clips lie together.

    Args:
        trials: Trials that differ in seed, learning rate and clip only.
        audit_every: Whether compiled passes are audited at every update; else at the last before each evaluation.
    """

    def __init__(self, trials: Sequence[Trial], audit_every: bool) -> None:
        assert len({trial.cohort for trial in trials}) == 1, "trials of a cohort differ in seed, lr and clip only"
        self.common, self.audit_every = trials[0], audit_every
        self.trials = sorted(trials, key=lambda trial: trial.clip)
        self.task = registry.task(self.common.task)
        self.optimiser = registry.optimizer(self.common.optimizer)
        self.schedule = registry.schedule(self.common.schedule)
        self.network = network_of(self.common)
        self.network.warm(self.task.tokens, self.common.device, self.common.dtype)
        self.draws = Draws(trials, self.task, self.network)
        rows = torch.stack([torch.from_numpy(self.network.initial_row(trial.seed)) for trial in self.trials])
        self.parameters = rows.to(self.common.device, getattr(torch, self.common.dtype))
        self.state = self.optimiser.start(self.parameters)
        factors = self.network.rate_factors()
        self.factors = None if factors is None else factors.to(self.parameters.device)
        remembered = max(registry.clip(trial.clip).memory_size(self.network.layout) for trial in trials)
        self.memory = torch.zeros(len(trials), remembered, dtype=torch.float64, device=self.parameters.device)
        self.dropped = torch.zeros(len(trials), dtype=torch.int64, device=self.parameters.device)
        self.update = 0
        self._make_buffers()

    def keep(self, places: list[int]) -> None:
        """Continue with these rows only."""
        self.trials = [self.trials[place] for place in places]
        self.parameters = self.parameters[places]
        self.state = {name: value[places] for name, value in self.state.items()}
        self.memory, self.dropped = self.memory[places], self.dropped[places]
        self._make_buffers()

    def _make_buffers(self) -> None:
        """Make all that depends on the set of rows: gradients, rates, blocks, ledger, and an evaluation's flags."""
        trials, device = self.trials, self.parameters.device
        self.gradients = torch.zeros_like(self.parameters)
        self.rates = torch.tensor([[trial.lr] for trial in trials], dtype=torch.float64, device=device)
        self.backwards = [backward_of(trial) for trial in trials]
        self._choose_passes()
        self.norms = self._trained_norms(self.parameters)
        self.active = torch.ones(len(trials), dtype=torch.bool, device=device)
        never = torch.zeros(len(trials), dtype=torch.int64, device=device)
        self.diverged_at, self.diverged_in, self.exploded_at = never, never, never
        self.losses: list[Tensor] = []
        self.was_active: list[Tensor] = []

    def _choose_passes(self) -> None:
        """Cut the rows into blocks of equal clips, and choose for each between compiled passes and torch."""
        self.rows: dict[int, Row] = {}
        cut = blocks_of([registry.clip(trial.clip) for trial in self.trials])
        self.blocks = [replace(block, by_pass=self._give_passes(block)) for block in cut]
        inside = [self.backwards[block.rows.start] != PLAIN for block in cut]
        self.ledger = Ledger(self.blocks, inside, str(self.parameters.device))

    def _give_passes(self, block: Block) -> bool:
        """Give the rows of a block their compiled passes, and return whether they have any."""
        if self.factors is not None or not serves(self.common.device, self.common.dtype):
            return False
        from longlag.passes.row import Row, passes_of

        passes = passes_of(block.clip, self.optimiser, self.common.weight_decay)
        if passes is not None:
            memory = [self.state[name].numpy() for name in self.optimiser.memory]
            matrices = self.parameters.numpy(), self.gradients.numpy()
            for place in block.places:
                theta, g = (matrix[place] for matrix in matrices)
                self.rows[place] = Row(passes, theta, g, [running[place] for running in memory])
        return passes is not None

    def step(self) -> None:
        """Do one update of every trial."""
        self.update += 1
        self.ledger.start()
        self._backward()
        self._clip()
        self._step()

    @property
    def seeds(self) -> list[int]:
        """The seed of each trial."""
        return [trial.seed for trial in self.trials]

    def _batches(self) -> list[Batch]:
        """Draw this update's batches."""
        return self.draws.batches(self.update, self.seeds)

    def _backward(self) -> None:
        """Compute losses and raw gradients, and show them to the ledger."""
        batches = self._batches()
        self.weights_read = self.draws.with_noise(self.update, self.seeds, self.parameters)
        noises = [self.draws.dropout(self.update, seed) for seed in self.seeds]
        given = self.weights_read, self.gradients, batches
        losses = write_gradients(self.network, self.task, *given, noises, self.backwards)
        self.losses.append(losses)
        self.was_active.append(self.active)
        plain = self._plain_gradients(batches) if self._is_last_before_evaluation else None
        self.context = Context(self.network.layout, self.parameters, self.memory)
        self.raw_norms: dict[Block, Tensor] = {}
        for block in self.blocks:
            raw, context = self.gradients[block.rows], self.context.rows(block.rows)
            if not block.by_pass:
                norms = self.raw_norms[block] = row_norms(raw)
                block.clip.observe(raw, norms, context)
            if not block.by_pass or self.audit_every or self._is_last_before_evaluation:
                self.ledger.before(block, raw, context, None if plain is None else plain[block.rows])

    @property
    def _is_last_before_evaluation(self) -> bool:
        return self.update % self.common.eval_every == 0 or self.update == self.common.updates

    def _plain_gradients(self, batches: list[Batch]) -> Tensor | None:
        """Return the plain gradients, (S, P); None if no trial's clip or truncation acts inside the backward pass.

        Raises:
            ClippingError: In the backward pass of an active trial, its clip or truncation did not act as it must.
        """
        if all(backward == PLAIN for backward in self.backwards):
            return None
        plain = self.gradients.clone()
        for place, (trial, backward) in enumerate(zip(self.trials, self.backwards, strict=True)):
            if backward == PLAIN or not self.active[place]:
                continue
            of_trial = self.weights_read[place], self.gradients[place], batches[place]
            noise = partial(self.draws.dropout, self.update, trial.seed)
            plain[place], fault = look(self.network, self.task, *of_trial, noise, backward)
            if fault:
                setting = f"clip {trial.clip}" + (f" with truncate {trial.truncate}" if trial.truncate else "")
                raise ClippingError(f"{setting}: {fault}")
        return plain

    def _clip(self) -> None:
        """Clip the gradients, each row by its own numbers alone."""
        for block in self.blocks:
            if block.by_pass:
                noted = self.ledger.noted[-1].numpy()
                for place in block.places:
                    self.rows[place].clip(noted[place])
            else:
                rows = block.rows
                block.clip.apply(self.gradients[rows], self.raw_norms[block], self.context.rows(rows))

    def _step(self) -> None:
        """Move the parameters of active trials, and freeze by selection the rows that became non-finite or jumped."""
        rates = self.rates * self.schedule.factor(self.update, self.common.updates)
        norms, sound = self.norms.clone(), self.losses[-1].isfinite()
        for block in self.blocks:
            move = self._move_by_passes if block.by_pass else self._move_by_torch
            move(block, rates[block.rows], norms[block.rows], sound[block.rows])
        self._look(norms, sound)

    def _move_by_passes(self, block: Block, rates: Tensor, norms: Tensor, sound: Tensor) -> None:
        """Move the parameters of a block by compiled passes.

        Args:
            block: The block, of R rows.
            rates: (R, 1), learning rates.
            norms: (R,), the norms of the parameters after the step, written.
            sound: (R,) bool, left as it is.
        """
        self.ledger.taken(block, self.gradients[block.rows])
        active, after = self.active[block.rows].tolist(), norms.tolist()
        for at, (place, rate) in enumerate(zip(block.places, rates.flatten().tolist(), strict=True)):
            if active[at]:
                after[at] = self.rows[place].move(rate, self.update)
        norms.copy_(torch.tensor(after, dtype=norms.dtype))

    def _move_by_torch(self, block: Block, rates: Tensor, norms: Tensor, sound: Tensor) -> None:
        """Move the parameters of a block in torch.

        Args:
            block: The block, of R rows.
            rates: (R, 1), learning rates.
            norms: (R,), the norms of the parameters after the step, written.
            sound: (R,) bool; becomes true where the clip dropped or replaced the gradient, even with a non-finite loss.
        """
        rows, active, raw_norms = block.rows, self.active[block.rows], self.raw_norms[block]
        parameters, state = self.parameters[rows], {name: value[rows] for name, value in self.state.items()}
        drops = block.clip.dropped(raw_norms) if block.clip.drops else torch.zeros_like(active)
        before = {name: value.clone() for name, value in state.items()} if block.clip.drops else {}
        rates = rates if self.factors is None else rates * self.factors
        update = Update(
            parameters, self.gradients[rows], rates.to(parameters.dtype), self._updates_taken(block, drops),
            self.common.weight_decay, self.network.layout,
        )  # fmt: skip
        step = self.optimiser.step(update, state, partial(self.ledger.taken, block))
        for name, value in before.items():
            state[name].copy_(torch.where(drops.unsqueeze(1), value, state[name]))
        parameters.copy_(torch.where((active & ~drops).unsqueeze(1), parameters - step, parameters))
        norms.copy_(self._trained_norms(parameters))
        sound.logical_or_(drops | block.clip.replaced(raw_norms))

    def _updates_taken(self, block: Block, drops: Tensor) -> tuple[int, ...]:
        """Return the number of updates that the optimiser has taken for each trial of a block, this one included."""
        if not block.clip.drops:
            return (self.update,) * len(drops)
        dropped = self.dropped[block.rows].add_(drops)
        return tuple((self.update - dropped + drops.int()).tolist())

    def _look(self, norms: Tensor, sound: Tensor) -> None:
        """Note which trials have diverged or exploded at this update.

        Args:
            norms: (S,) float64, the norms of the parameters after it.
            sound: (S,) bool, whether the loss is finite, or was not used.
        """
        finite = torch.stack([sound, self.ledger.noted[-1][:, AFTER].isfinite(), norms.isfinite()])
        diverged, jumped = self.active & ~finite.all(0), norms > JUMP * self.norms
        exploded = self.active & ~diverged & jumped
        if norms.device.type == "cpu" and not (diverged | exploded).any():  # elsewhere it would wait for the device
            self.norms = norms
            return
        self.diverged_at = torch.where(diverged, self.update, self.diverged_at)
        self.diverged_in = torch.where(diverged, finite.int().argmin(0), self.diverged_in)
        self.exploded_at = torch.where(exploded, self.update, self.exploded_at)
        self.active = self.active & ~diverged & ~exploded
        self.norms = norms

    def _trained_norms(self, parameters: Tensor) -> Tensor:
        """Return each row's norm over all parameters that are not frozen, (S,) float64."""
        frozen = [slot for slot in self.network.layout.slots if slot.name in self.network.frozen]
        if frozen:
            parameters = parameters.clone()
            for slot in frozen:
                parameters[:, slot.offset : slot.offset + slot.size] = 0
        return row_norms(parameters)
