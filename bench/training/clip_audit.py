"""Records what clipping did to a cohort's gradients, and verifies that each clip kept its promise.

The audit gets the gradients before and after clipping, and compares them. It never changes a gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from longlag.clips.base import Context, row_norms
from longlag.passes.noted import AFTER, BEFORE, CHANGED, COSINE, NUMBERS
from longlag.training.blocks import Block

NOT_NOTED = -1.0
"""Marks a norm that neither a pass nor the ledger has recorded; real norms are never negative."""
AGREEMENT = 1e-9
"""Relative tolerance between two sums of the same float64 numbers, at most a million of them, in different orders."""


class ClippingError(RuntimeError):
    """Raised when the gradient that the optimiser took is not the one its clip promises: an error in the program."""


class Ledger:
    """The effect of clipping at each update, for every trial; kept as tensors until an evaluation reads it.

    Where rows are clipped in torch, the cohort calls `before` when the backward pass has ended, and the optimiser calls
    `taken` with the gradients it reads. The ledger compares the two, so that it notices a clip that is called too
    early, too late or on the joint norm of a cohort, even if the network learns well. It measures the norms itself.

    A compiled pass clips rows and notes norms and cosines, at every update. It is audited at those updates at which
    `before` is called: the gradient that the optimiser reads must keep the clip's promise, and the norms and cosines
    that the pass noted must equal those that the ledger measures.

    Where a clip acts inside the backward pass, the gradient before clipping is the plain one, which that pass does not
    compute. It is computed separately at the last update before each evaluation (`longlag.training.backward_audit`). At
    other updates the trial's norm before clipping, its cosine and whether it was clipped are NaN.

    Args:
        blocks: The blocks of the cohort.
        inside: For each block, whether its clip acts inside the backward pass; by default none does.
        device: The device of the gradients.

    Attributes:
        noted: (S, 4) float64 for each update, the columns of `longlag.passes.noted`.
        broken: (S,) bool for each update, true where a clip broke its promise.
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
        """Note the raw gradients of a block.

        Args:
            block: The block, of R rows.
            gradients: (R, P), as the backward pass gave them.
            context: The clip's context, after it has observed the norms.
            plain: (R, P), the plain gradients; None at updates at which they are not known.
        """
        self._before[block] = gradients.clone(), plain, context

    def taken(self, block: Block, gradients: Tensor) -> None:
        """Note the gradients of a block that the optimiser reads.

        Nothing is measured where a compiled pass clips the block and the update is not audited.

        Args:
            block: The block, of R rows.
            gradients: (R, P), after clipping.
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
            elif not block.by_pass:  # numbers noted by a pass stay, so that no digit depends on the audit
                here.copy_(measured)
        else:
            assert block.by_pass, "the optimiser reads gradients before a backward pass"
        if inside and plain is None:
            here[:, [BEFORE, COSINE, CHANGED]] = torch.nan

    def flush(self, active: Tensor) -> list["Account"]:
        """Return each trial's account since the last flush, and start new ones.

        Args:
            active: (U, S) bool, the updates that each trial took part in.

        Raises:
            ClippingError: At some update the optimiser took a gradient that the clip does not promise.
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
    """Return the numbers to note for gradients before and after clipping, (R, 4)."""
    products = [torch.dot(one, other) for one, other in zip(before.double(), after.double(), strict=True)]
    cosines = torch.stack(products) / (before_norms * norms)  # NaN where a gradient has no direction
    clipped = torch.maximum(_changed(before, after).amax(1).double(), replaced.double())  # `_changed` handles NaN
    return torch.stack([before_norms, norms, cosines.clamp(-1, 1), clipped], 1)


def _agree(noted: Tensor, measured: Tensor) -> Tensor:
    """Return for each row of (R, 4) whether a pass recorded the measured numbers, (R,) bool; non-finite ones agree."""
    near = (noted - measured).abs() <= AGREEMENT * measured.abs().clamp(min=1e-300)
    near[:, COSINE] = (noted - measured)[:, COSINE].abs() <= AGREEMENT
    return (near | ~measured.isfinite()).all(1)


def _changed(before: Tensor, after: Tensor) -> Tensor:
    """Return 1 where a number that was not NaN has changed, else 0; in the gradients' own type, which is faster."""
    return before.clone().ne_(after).mul_(before.clone().eq_(before))


@dataclass(frozen=True)
class Account:
    """Numbers on one trial's gradients over U updates, each (U,) float64.

    Attributes:
        norms: Norms before clipping; NaN where the gradient before clipping is unknown (see `Ledger`).
        taken: Norms after clipping.
        clipped: 1 where clipping changed the gradient, else 0; NaN where that is not known.
        cosines: Cosines of the gradient after clipping to the one before; NaN where one of them has no direction or is
            not known.
    """

    norms: Tensor
    taken: Tensor
    clipped: Tensor
    cosines: Tensor

    def join(self, other: "Account") -> "Account":
        """Return an account of this one's updates followed by the other's."""
        return Account(*(torch.cat([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self)))

    @property
    def median(self) -> float | None:
        """Median norm before clipping: for an even number of norms, the mean of the middle two."""
        finite = self.norms[self.norms.isfinite()]
        return float(finite.quantile(0.5)) if len(finite) else None

    @property
    def largest(self) -> tuple[float, int] | None:
        """The largest finite norm before clipping, and its place, counted from 0."""
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
        """Share of updates whose gradient was changed, among the updates for which that is known."""
        known = self.clipped[~self.clipped.isnan()]
        return float(known.double().mean()) if len(known) else None

    @property
    def mean_cosine(self) -> float | None:
        """Mean cosine over the updates at which both gradients have a direction."""
        finite = self.cosines[self.cosines.isfinite()]
        return float(finite.mean()) if len(finite) else None
