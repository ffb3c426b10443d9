"""What clipping did to a cohort's gradients, and the proof that it did what it promises.

The audit is told what was there before and after, and judges. It clips nothing and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from longlag.clips.base import Context, row_norms
from longlag.training.blocks import Block


class ClippingError(RuntimeError):
    """The gradient that the optimiser took is not the one the clipping setting promises: a fault of the program."""


@dataclass
class Ledger:
    """What clipping did, update by update, for every setting; kept as tensors until an evaluation reads it.

    `before` is called when the backward pass has ended, `taken` by the optimiser with the gradients it reads.
    The ledger holds one against the other, so that a clip that is called too early, too late or on the joint
    norm of a cohort is seen, whatever the learning does. It measures the norms itself and takes none from the cohort.

    Where something happens inside the backward pass, the gradient *before* is the plain one, which that pass does not
    give: it is known only at the updates for which it was computed besides, the last before each evaluation
    (`longlag.training.backward_audit`). At the others a trial's norm before, cosine and whether it was clipped are NaN.

    Attributes:
        blocks: The rows of each clip, as the cohort has them.
        inside: (S,) bool, the trials in whose backward pass something happens; none if not given.
    """

    blocks: Sequence[Block]
    inside: Tensor | None = None
    raw_norms: list[Tensor] = field(default_factory=list)
    before_norms: list[Tensor] = field(default_factory=list)
    taken_norms: list[Tensor] = field(default_factory=list)
    clipped: list[Tensor] = field(default_factory=list)
    cosines: list[Tensor] = field(default_factory=list)
    broken: list[Tensor] = field(default_factory=list)
    _raw: Tensor | None = None
    _plain: Tensor | None = None
    _context: Context | None = None

    def before(self, gradients: Tensor, context: Context, plain: Tensor | None = None) -> None:
        """Note the raw gradients (S, P).

        Args:
            gradients: As the backward pass left them.
            context: What clips may look at, of all S trials, once they have observed the norms.
            plain: (S, P), the plain gradients, at updates at which they are known of all trials.
        """
        self._raw, self._plain, self._context = gradients.clone(), plain, context
        self.raw_norms.append(row_norms(gradients))

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
        replaced = torch.cat([block.clip.replaced(raw_norms[block.rows]) for block in self.blocks])
        self.broken.append((raw_norms.isfinite() | replaced) & ~torch.cat(holds))
        self.taken_norms.append(norms)
        before = raw if self._plain is None else self._plain
        before_norms = raw_norms if self._plain is None else row_norms(before)
        products = [torch.dot(one, other) for one, other in zip(before.double(), gradients.double(), strict=True)]
        cosines = torch.stack(products) / (before_norms * norms)  # NaN where one has no direction
        clipped = torch.maximum(_changed(before, gradients).amax(1).double(), replaced.double())  # NaN is seen there
        unknown = torch.zeros_like(norms, dtype=torch.bool) if self.inside is None else self.inside
        if self._plain is not None:
            unknown = torch.zeros_like(unknown)
        self.before_norms.append(torch.where(unknown, torch.nan, before_norms))
        self.clipped.append(torch.where(unknown, torch.nan, clipped))
        self.cosines.append(torch.where(unknown, torch.nan, cosines.clamp(-1, 1)))

    def flush(self, active: Tensor) -> list["Account"]:
        """Return each trial's account since the last flush and start anew.

        Args:
            active: (U, S) bool, the updates that each trial took part in.

        Raises:
            ClippingError: In some update the gradient taken was not the one promised.
        """
        if not self.raw_norms:
            nothing = torch.zeros(0, dtype=torch.float64)
            return [Account(nothing, nothing, nothing, nothing)] * active.shape[1]
        broken = (torch.stack(self.broken) & active).any(0)
        for block in self.blocks:
            if broken[block.rows].any():
                raise ClippingError(f"the optimiser did not take the gradient that clip {block.clip.spec} promises")
        columns = [torch.stack(noted) for noted in (self.before_norms, self.taken_norms, self.clipped, self.cosines)]
        for noted in (self.raw_norms, self.before_norms, self.taken_norms, self.clipped, self.cosines, self.broken):
            noted.clear()
        return [Account(*(column[active[:, s], s].cpu() for column in columns)) for s in range(active.shape[1])]


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
