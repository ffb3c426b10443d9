"""What clipping did to a cohort's gradients, and the proof that it did what it promises.

The audit is told what was there before and after, and judges. It clips nothing and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from longlag.clips.base import Context, row_norms
from longlag.passes.noted import AFTER, BEFORE, CHANGED, COSINE, NUMBERS
from longlag.training.blocks import Block

NOT_NOTED = -1.0
"""No norm: stands where neither a pass nor the ledger has noted one."""
AGREEMENT = 1e-9
"""Relative difference of two sums of the same float64 numbers in another order; they are a million at most."""


class ClippingError(RuntimeError):
    """The gradient that the optimiser took is not the one the clipping setting promises: a fault of the program."""


class Ledger:
    """What clipping did, update by update, for every setting; kept as tensors until an evaluation reads it.

    Where rows are clipped in torch, `before` is called when the backward pass has ended, and `taken` by the optimiser
    with the gradients it reads. The ledger holds one against the other, so that a clip that is called too early, too
    late or on the joint norm of a cohort is seen, whatever the learning does. It measures the norms itself and takes
    none from the cohort.

    A compiled pass clips rows and notes norms and cosines in one go, at every update. It is audited in the same way at
    the updates at which `before` is called: what the optimiser reads must keep the clip's promise, and what the pass
    has noted must be what the ledger measures.

    Where something happens inside the backward pass, the gradient *before* is the plain one, which that pass does not
    give: it is known only at the updates for which it was computed besides, the last before each evaluation
    (`longlag.training.backward_audit`). At the others a trial's norm before, cosine and whether it was clipped are NaN.

    Args:
        blocks: The rows of each clip, as the cohort has them.
        inside: Whether something happens in the backward passes of a block's trials; for none by default.
        device: Where the gradients are.

    Attributes:
        noted: (S, 4) float64 for each update: see `longlag.passes.noted`.
        broken: (S,) bool for each update: a promise that was not kept.
    """

    def __init__(self, blocks: Sequence[Block], inside: Sequence[bool] = (), device: str = "cpu") -> None:
        self.blocks, self.device = blocks, device
        self.inside = inside or [False] * len(blocks)
        self.noted: list[Tensor] = []
        self.broken: list[Tensor] = []
        self._before: dict[Block, tuple[Tensor, Tensor | None, Context]] = {}

    def start(self) -> None:
        """Begin an update."""
        trials = self.blocks[-1].rows.stop
        self.noted.append(torch.full((trials, NUMBERS), NOT_NOTED, dtype=torch.float64, device=self.device))
        self.broken.append(torch.zeros(trials, dtype=torch.bool, device=self.device))
        self._before.clear()

    def before(self, block: Block, gradients: Tensor, context: Context, plain: Tensor | None = None) -> None:
        """Note the raw gradients (R, P) of a block.

        Args:
            block: The block.
            gradients: As the backward pass left them.
            context: What its clip may look at, once it has observed the norms.
            plain: (R, P), the plain gradients, at updates at which they are known.
        """
        self._before[block] = gradients.clone(), plain, context

    def taken(self, block: Block, gradients: Tensor) -> None:
        """Note the gradients (R, P) of a block that the optimiser reads.

        Of a block that a compiled pass clips nothing is measured at an update that is not audited.
        """
        here, inside, plain = self.noted[-1][block.rows], self.inside[self.blocks.index(block)], None
        if block in self._before:
            raw, plain, context = self._before[block]
            raw_norms, norms = row_norms(raw), row_norms(gradients)
            replaced = block.clip.replaced(raw_norms)
            holds = block.clip.holds(raw, gradients, raw_norms, norms, context)
            measured = _measured(raw, raw_norms, gradients, norms, replaced)
            holds &= _agree(here, measured) if block.by_pass else torch.ones_like(holds)
            self.broken[-1][block.rows] = (raw_norms.isfinite() | replaced) & ~holds
            if inside and plain is not None:
                here.copy_(_measured(plain, row_norms(plain), gradients, norms, replaced))
            elif not block.by_pass:  # what a pass has noted stays, so that no digit depends on who was audited
                here.copy_(measured)
        else:
            assert block.by_pass, "the optimiser reads before a backward pass"
        if inside and plain is None:
            here[:, [BEFORE, COSINE, CHANGED]] = torch.nan

    def flush(self, active: Tensor) -> list["Account"]:
        """Return each trial's account since the last flush and start anew.

        Args:
            active: (U, S) bool, the updates that each trial took part in.

        Raises:
            ClippingError: In some update the gradient taken was not the one promised.
        """
        if not self.noted:
            nothing = torch.zeros(0, dtype=torch.float64)
            return [Account(nothing, nothing, nothing, nothing)] * active.shape[1]
        noted = torch.stack(self.noted)
        broken = ((torch.stack(self.broken) | (noted[..., AFTER] == NOT_NOTED)) & active).any(0)
        for block in self.blocks:
            if broken[block.rows].any():
                raise ClippingError(f"the optimiser did not take the gradient that clip {block.clip.spec} promises")
        self.noted.clear()
        self.broken.clear()
        noted, active = noted.cpu(), active.cpu()
        by_trial = [noted[active[:, place], place] for place in range(active.shape[1])]
        return [Account(own[:, BEFORE], own[:, AFTER], own[:, CHANGED], own[:, COSINE]) for own in by_trial]


def _measured(before: Tensor, before_norms: Tensor, after: Tensor, norms: Tensor, replaced: Tensor) -> Tensor:
    """Return what is to be noted of gradients before and after clipping, (R, 4)."""
    products = [torch.dot(one, other) for one, other in zip(before.double(), after.double(), strict=True)]
    cosines = torch.stack(products) / (before_norms * norms)  # NaN where one has no direction
    clipped = torch.maximum(_changed(before, after).amax(1).double(), replaced.double())  # NaN is seen there
    return torch.stack([before_norms, norms, cosines.clamp(-1, 1), clipped], 1)


def _agree(noted: Tensor, measured: Tensor) -> Tensor:
    """Say for each row (R, 4) whether what a pass noted is what was measured, where that is finite, (R,) bool."""
    near = (noted - measured).abs() <= AGREEMENT * measured.abs().clamp(min=1e-300)
    near[:, COSINE] = (noted - measured)[:, COSINE].abs() <= AGREEMENT
    return (near | ~measured.isfinite()).all(1)


def _changed(before: Tensor, after: Tensor) -> Tensor:
    """Return 1 where a number changed that was not NaN before, else 0, as numbers: torch compares into these faster."""
    return before.clone().ne_(after).mul_(before.clone().eq_(before))


@dataclass(frozen=True)
class Account:
    """What one trial's gradients were over some updates, each (U,) float64.

    Attributes:
        norms: Before clipping; NaN where the gradient before is not known (see `Ledger`).
        taken: After.
        clipped: 1 where clipping changed anything, else 0; NaN where that is not known.
        cosines: Of the gradient after clipping to the one before; NaN where one has no direction or is not known.
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
        """Share of updates whose gradient was changed, among those of which it is known."""
        known = self.clipped[~self.clipped.isnan()]
        return float(known.double().mean()) if len(known) else None

    @property
    def mean_cosine(self) -> float | None:
        """Mean cosine over the updates in which both gradients have a direction."""
        finite = self.cosines[self.cosines.isfinite()]
        return float(finite.mean()) if len(finite) else None
