"""The gradients of a cohort: how they are computed, and the book kept of what clipping did to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from bench.clips.base import Clip, Context, row_norms
from bench.kernels.find import kernel_for
from bench.network import Network
from tasks.base import Batch, Task


class ClippingError(RuntimeError):
    """The gradient that the optimiser took is not the one the clipping setting promises: a fault of the program."""


def write_gradients(
    network: Network,
    task: Task,
    parameters: Tensor,
    gradients: Tensor,
    batches: Sequence[Batch],
    noises: Sequence[np.random.Generator] | None = None,
) -> Tensor:
    """Write each trial's gradient into its row and return the losses, (S,).

    A trial at a time: products and vectorised functions choose their order of summation and their rounding by
    shape and place, and a trial's numbers must not depend on its company.

    Args:
        network: The network of every trial.
        task: Its task.
        parameters: (S, P).
        gradients: (S, P), overwritten; padding stays zero.
        batches: One for each trial; trials may share them.
        noises: One for each trial, from which dropout draws; nothing is dropped without.
    """
    fused = network.path(parameters.device.type, str(parameters.dtype)) == "fused"
    if fused and network.wiring.plain:
        rows = zip(parameters, gradients, batches, strict=True)
        return torch.stack([_write_by_stack(network, task, row, gradient, batch) for row, gradient, batch in rows])
    drawing: Sequence[np.random.Generator | None] = noises or [None] * len(batches)
    given = zip(parameters, gradients, batches, drawing, strict=True)
    return torch.stack([_write_by_autograd(network, task, *of_trial) for of_trial in given])


def prepare(network: Network, task: Task, device: str, dtype: str) -> None:
    """Compile what `write_gradients` will need, so that no update is timed with it."""
    kernel = kernel_for(network.cell)
    if kernel is not None and network.path(device, dtype) == "fused":
        from bench.kernels.stack import warm

        warm(kernel, task.tokens, dtype)


def _write_by_autograd(
    network: Network, task: Task, row: Tensor, gradient: Tensor, batch: Batch, noise: np.random.Generator | None
) -> Tensor:
    """Write one trial's gradient and return its loss; autograd goes all the way, over a fused scan in one step."""
    leaves = {name: view.detach().requires_grad_() for name, view in network.layout.views(row).items()}
    loss = task.loss(network.outputs(leaves, batch, noise), batch)
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    for slot, value in zip(network.layout.slots, found, strict=True):
        slot.view(gradient).copy_(value)
    return loss.detach()


def _write_by_stack(network: Network, task: Task, row: Tensor, gradient: Tensor, batch: Batch) -> Tensor:
    """Do the same for plain layers by kernels; autograd differentiates the loss by the outputs only."""
    from bench.kernels.stack import Stack

    views, target = network.layout.arrays(row.numpy()), network.layout.arrays(gradient.numpy())
    kernel = kernel_for(network.cell)
    assert kernel is not None
    stack = Stack(kernel, network.by_scan(views), batch.inputs.numpy())
    states = torch.from_numpy(stack.outputs).flatten(0, 1).index_select(0, batch.scored)
    weight = torch.from_numpy(views["readout.weight"])
    outputs = torch.addmm(torch.from_numpy(views["readout.bias"]), states, weight).requires_grad_()
    loss = task.loss(outputs, batch)
    (by_outputs,) = torch.autograd.grad(loss, outputs)
    torch.mm(states.T, by_outputs, out=torch.from_numpy(target["readout.weight"]))
    torch.sum(by_outputs, 0, out=torch.from_numpy(target["readout.bias"]))
    found = stack.backward(batch.scored.numpy(), torch.mm(by_outputs, weight.T).numpy())
    for to, by_name in zip(network.by_scan(target), found, strict=True):
        for name, array in to.items():
            array[...] = by_name[name]
    return loss.detach()


@dataclass(frozen=True)
class Block:
    """The rows of a cohort that share a clipping setting; a cohort is ordered so that they lie together."""

    clip: Clip
    rows: slice


def blocks_of(clips: Sequence[Clip]) -> list[Block]:
    """Cut the rows into runs of equal clips.

    >>> from bench.clips.norm import ClipNorm
    >>> [block.rows for block in blocks_of([ClipNorm(1.0), ClipNorm(1.0), ClipNorm(2.0)])]
    [slice(0, 2, None), slice(2, 3, None)]
    """
    starts = [i for i, clip in enumerate(clips) if i == 0 or clip != clips[i - 1]]
    return [Block(clips[start], slice(start, end)) for start, end in pairwise([*starts, len(clips)])]


@dataclass
class Ledger:
    """What clipping did, update by update, for every setting; kept as tensors until an evaluation reads it.

    `before` is called when the backward pass has ended, `taken` by the optimiser with the gradients it reads.
    The ledger holds one against the other, so that a clip that is called too early, too late or on the joint
    norm of a cohort is seen, whatever the learning does.
    """

    blocks: list[Block]
    raw_norms: list[Tensor] = field(default_factory=list)
    taken_norms: list[Tensor] = field(default_factory=list)
    clipped: list[Tensor] = field(default_factory=list)
    cosines: list[Tensor] = field(default_factory=list)
    broken: list[Tensor] = field(default_factory=list)
    _raw: Tensor | None = None
    _context: Context | None = None

    def before(self, gradients: Tensor, context: Context) -> Tensor:
        """Note the raw gradients (S, P), let clips observe their norms, and return these, (S,) float64.

        Args:
            gradients: As the backward pass left them.
            context: What clips may look at, of all S trials.
        """
        self._raw, self._context = gradients.clone(), context
        norms = row_norms(gradients)
        for block in self.blocks:
            block.clip.observe(norms[block.rows], context.rows(block.rows))
        self.raw_norms.append(norms)
        return norms

    def taken(self, gradients: Tensor) -> None:
        """Note the gradients (S, P) that the optimiser reads."""
        raw, context = self._raw, self._context
        assert raw is not None, "the optimiser reads before a backward pass"
        assert context is not None
        raw_norms, norms = self.raw_norms[-1], row_norms(gradients)
        holds = [
            block.clip.holds(
                raw[block.rows], gradients[block.rows], raw_norms[block.rows], norms[block.rows],
                context.rows(block.rows),
            )
            for block in self.blocks
        ]  # fmt: skip
        self.broken.append(raw_norms.isfinite() & ~torch.cat(holds))
        self.clipped.append(((raw != gradients) & ~raw.isnan()).any(1))
        self.taken_norms.append(norms)
        products = [torch.dot(one.double(), other.double()) for one, other in zip(raw, gradients, strict=True)]
        self.cosines.append(
            (torch.stack(products) / (raw_norms * norms)).clamp(-1, 1)
        )  # NaN where one has no direction

    def flush(self, active: Tensor) -> list["Account"]:
        """Return each trial's account since the last flush and start anew.

        Args:
            active: (U, S) bool, the updates that each trial took part in.

        Raises:
            ClippingError: In some update the gradient taken was not the one promised.
        """
        if not self.raw_norms:
            nothing = torch.zeros(0, dtype=torch.float64)
            return [Account(nothing, nothing, nothing.bool(), nothing)] * active.shape[1]
        broken = (torch.stack(self.broken) & active).any(0)
        for block in self.blocks:
            if broken[block.rows].any():
                raise ClippingError(f"the optimiser did not take the gradient that clip {block.clip.spec} promises")
        columns = [torch.stack(kept) for kept in (self.raw_norms, self.taken_norms, self.clipped, self.cosines)]
        for kept in (self.raw_norms, self.taken_norms, self.clipped, self.cosines, self.broken):
            kept.clear()
        return [Account(*(column[active[:, s], s].cpu() for column in columns)) for s in range(active.shape[1])]


@dataclass(frozen=True)
class Account:
    """What one trial's gradients were over some updates, each (U,).

    Attributes:
        norms: Before clipping, float64.
        taken: After, float64.
        clipped: Whether the clip changed anything.
        cosines: Of the gradient after clipping to the one before, float64; NaN where one of them has no direction.
    """

    norms: Tensor
    taken: Tensor
    clipped: Tensor
    cosines: Tensor

    def join(self, other: "Account") -> "Account":
        """Return both, one behind the other."""
        return Account(*(torch.cat([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self)))

    @property
    def median(self) -> float | None:
        """Median norm before clipping; of an even number the mean of the middle two."""
        finite = self.norms[self.norms.isfinite()]
        return float(finite.quantile(0.5)) if len(finite) else None

    @property
    def largest(self) -> tuple[float, int] | None:
        """The largest finite norm before clipping and its place, from 0."""
        finite = torch.where(self.norms.isfinite(), self.norms, -1.0)
        place = int(finite.argmax()) if len(finite) else 0
        return (float(finite[place]), place) if len(finite) and finite[place] >= 0 else None

    @property
    def largest_taken(self) -> float | None:
        """The largest finite norm after clipping."""
        finite = self.taken[self.taken.isfinite()]
        return float(finite.max()) if len(finite) else None

    @property
    def clipped_fraction(self) -> float | None:
        """Share of updates whose gradient was changed."""
        return float(self.clipped.double().mean()) if len(self.clipped) else None

    @property
    def mean_cosine(self) -> float | None:
        """Mean cosine over the updates in which both gradients have a direction."""
        finite = self.cosines[self.cosines.isfinite()]
        return float(finite.mean()) if len(finite) else None
