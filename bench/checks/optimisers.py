"""The contract of an optimiser, checked on artificial gradients, on a quadratic and in a short run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from longlag import registry
from longlag.cells.gru import Gru
from longlag.checks.finding import BrokenRuleError, Finding, expect, findings, global_state_untouched
from longlag.checks.trials import company
from longlag.networks.recurrent import Network
from longlag.optimisers.base import Optimiser, OptimiserState, Update
from longlag.values.layout import Layout
from longlag.values.seeding import stream

RATES = (0.01, 0.03, 0.1)
"""The learning rates of the rows, which are trials."""
UPDATES = 5
SIZES = (0.0, 1e-12, 1.0, 1e12)
"""Absolute values of gradient entries that must give a finite step."""
FALLS = 0.1
"""The share of its first value below which the quadratic must fall at one of `FALL_RATES` within `FALL_UPDATES`."""
FALL_RATES, FALL_UPDATES = (1e-1, 1e-2, 1e-3), 200


def check_optimizer(spec: str) -> Iterator[Finding]:
    """Check an optimiser's contract.

    Args:
        spec: The optimiser, as users write it.

    Raises:
        UsageError: There is no such optimiser.
    """
    rows = Rows(registry.optimizer(spec), Network(Gru(), 3, 2, 5).layout)
    rules = {
        "shape": rows.shape,
        "company": rows.company,
        "counts": rows.counts,
        "dropped": rows.dropped,
        "padding": rows.padding,
        "decay": rows.decay,
        "not finite": rows.not_finite,
        "determinism": rows.determinism,
        "global state": rows.global_state,
        "finite": rows.finite,
        "falls": rows.falls,
        "run": lambda: company(optimizer=spec),
    }
    return findings(rules, needed=("shape",))


@dataclass(frozen=True)
class Rows:
    """An optimiser and the layout of its rows."""

    optimiser: Optimiser
    layout: Layout

    def drawn(self, *names: str | int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw a row for each of `RATES`, zero in the padding."""
        rows = torch.zeros(len(RATES), self.layout.row_size, dtype=dtype)
        generator = stream("check", *names).generator()
        for row in rows:
            for view in self.layout.views(row).values():
                view.copy_(torch.from_numpy(generator.standard_normal(view.shape)))
        return rows

    def update(self, number: int, dtype: torch.dtype = torch.float32) -> Update:
        """Make update ``number``, from 1; all trials have taken that many."""
        rates = torch.tensor(RATES, dtype=dtype).unsqueeze(1)
        given = self.drawn("parameters", dtype=dtype), self.drawn("gradients", number, dtype=dtype)
        return Update(*given, rates, (number,) * len(RATES), 0.0, self.layout)

    def updates(self, dtype: torch.dtype = torch.float32) -> list[Update]:
        """Make the first `UPDATES` updates."""
        return [self.update(number, dtype) for number in range(1, UPDATES + 1)]

    def steps(self, updates: Sequence[Update]) -> Tensor:
        """Return the steps (U, R, P) of consecutive updates, from a fresh state."""
        state = self.optimiser.start(updates[0].parameters)
        return torch.stack([self.step(update, state) for update in updates])

    def step(self, update: Update, state: OptimiserState) -> Tensor:
        """Return one step."""
        return self.optimiser.step(update, state, lambda gradients: None)

    def shape(self) -> str:
        """A step is a new matrix with shape and dtype of the parameters; the update is only read."""
        for dtype in (torch.float32, torch.float64):
            update = self.update(1, dtype)
            parameters, gradients = update.parameters.clone(), update.gradients.clone()
            state = self.optimiser.start(parameters)
            direction: object = self.optimiser.direction(update, state)
            tensor = isinstance(direction, Tensor)
            returned = f"{direction.dtype} {tuple(direction.shape)}" if tensor else f"a {type(direction).__name__}"  # type: ignore[attr-defined]
            right = tensor and (direction.dtype, direction.shape) == (dtype, parameters.shape)  # type: ignore[attr-defined]
            expect(
                right, f"direction() must return {dtype} {tuple(parameters.shape)}, like the gradients, not {returned}"
            )
            expect(torch.equal(parameters, update.parameters), "direction() changes the parameters")
            expect(torch.equal(gradients, update.gradients), "direction() changes the gradients")
            known = dict.fromkeys(self.optimiser.memory, (dtype, parameters.shape))
            held = {name: (value.dtype, value.shape) for name, value in state.items()}
            expect(held == known, f"direction() leaves a state of {held}, which memory does not declare")
        return (
            f"a step of the gradients' shape, float32 and float64; {len(self.optimiser.memory)} numbers per parameter"
        )

    def finite(self) -> str:
        """Gradients of any size give finite steps."""
        for size in SIZES:
            updates = [replace(update, gradients=update.gradients.sign() * size) for update in self.updates()]
            expect(
                self.steps(updates).isfinite().all(), f"gradients of entries ±{size:g} give a step that is not finite"
            )
        return f"finite steps from gradients of entries {', '.join(f'{size:g}' for size in SIZES)}"

    def company(self) -> str:
        """A row takes the same steps alone, beside others and in another order."""
        updates = self.updates()
        together = self.steps(updates)
        for place in range(len(RATES)):
            alone = self.steps([_rows(update, [place]) for update in updates])[:, 0]
            expect(torch.equal(alone, together[:, place]), "a row alone takes other steps than beside others")
        turned = list(reversed(range(len(RATES))))
        expect(torch.equal(self.steps([_rows(one, turned) for one in updates]), together[:, turned]), "order matters")
        return "a row takes the same steps, to the byte, alone, beside others and in another order"

    def counts(self) -> str:
        """A row takes the same steps beside one with another count of updates, of which a clip has dropped some."""
        counted = [replace(update, counts=(*update.counts[:-1], update.counts[-1] + 2)) for update in self.updates()]
        together = self.steps(counted)
        for place in range(len(RATES)):
            alone = self.steps([_rows(update, [place]) for update in counted])[:, 0]
            expect(torch.equal(alone, together[:, place]), "a row's step depends on the counts of other rows")
        return "a row's step depends on its own count of updates only"

    def dropped(self) -> str:
        """An update that is undone leaves no trace."""
        first, wild, second = self.update(1), self.update(99), self.update(2)
        state = self.optimiser.start(first.parameters)
        self.step(first, state)
        kept = {name: value.clone() for name, value in state.items()}
        self.step(replace(wild, gradients=wild.gradients * 1e6), state)
        after = self.step(second, kept)
        expect(torch.equal(after, self.steps([first, second])[1]), "remembers something outside its state")
        return "remembers nothing outside its state: an update that is undone leaves no trace"

    def padding(self) -> str:
        """Zeros between tensors stay zeros."""
        for step in self.steps([replace(update, weight_decay=0.1) for update in self.updates()]).flatten(0, 1):
            for view in self.layout.views(step).values():
                view.zero_()
            expect((step == 0).all(), "the padding between tensors does not stay zero")
        return "the padding between tensors stays zero"

    def decay(self) -> str:
        """Weight decay acts once, as it is declared."""
        updates = self.updates(torch.float64)
        plain, decay = self.steps(updates), 0.1
        steps = self.steps([replace(update, weight_decay=decay) for update in updates])
        pulls = [update.parameters * decay for update in updates]
        if self.optimiser.decoupled_decay:
            expected = torch.stack(
                [one + pull * update.rates for one, pull, update in zip(plain, pulls, updates, strict=True)]
            )
        else:
            pulled = [replace(one, gradients=one.gradients + pull) for one, pull in zip(updates, pulls, strict=True)]
            expected = self.steps(pulled)
        kind = "decoupled" if self.optimiser.decoupled_decay else "coupled"
        close = torch.allclose(steps, expected, rtol=1e-9, atol=1e-12)
        expect(close, f"weight decay is declared {kind} and acts otherwise: leave it to Optimiser.step")
        return f"weight decay is {kind}" + (": added to the gradient" if kind == "coupled" else ": added to the step")

    def not_finite(self) -> str:
        """A row whose gradient is not finite changes no other row."""
        for value in (float("nan"), float("inf")):
            updates = self.updates()
            expected = self.steps(updates)
            updates[1].gradients[1, 0] = value
            steps = self.steps(updates)
            expect(torch.equal(steps[:, [0, 2]], expected[:, [0, 2]]), f"a {value} in one row changes other rows")
        return "a NaN or an Inf in one row does not change other rows"

    def determinism(self) -> str:
        """Equal updates give equal bytes."""
        first = self.steps(self.updates())
        self.steps([self.update(number) for number in (7, 8)])  # after other calls, which may have left state behind
        expect(torch.equal(first, self.steps(self.updates())), "the same updates give other steps the second time")
        return "the same bytes every time"

    def global_state(self) -> str:
        """Nothing is drawn from global generators, and no setting of the process is changed."""
        return global_state_untouched(lambda: self.steps(self.updates()), torch.equal)  # type: ignore[arg-type]

    def falls(self) -> str:
        """A quadratic with a different curvature in each direction falls at some rate.

        Raises:
            BrokenRuleError: It falls at none.
        """
        shares = []
        for rate in FALL_RATES:
            shares.append(self._share_left(rate))
            if shares[-1] < FALLS:
                when = f"in {FALL_UPDATES} updates at a rate of {rate:g}"
                return f"a quadratic falls to {shares[-1]:.1%} of its first value {when}"
        tried = ", ".join(f"{rate:g}" for rate in FALL_RATES)
        raise BrokenRuleError(f"a quadratic stays at {min(shares):.0%} or more of its first value at the rates {tried}")

    def _share_left(self, rate: float) -> float:
        """Return the last value of a quadratic as a share of its first."""
        goal = self.drawn("goal", dtype=torch.float64)[:1]
        curvatures = torch.logspace(-1, 0, self.layout.row_size, dtype=torch.float64)
        parameters, rates = torch.zeros_like(goal), torch.tensor([[rate]], dtype=torch.float64)
        state = self.optimiser.start(parameters)
        for number in range(1, FALL_UPDATES + 1):
            slope = (parameters - goal) * curvatures
            parameters = parameters - self.step(Update(parameters, slope, rates, (number,), 0.0, self.layout), state)
        return float((curvatures * (parameters - goal).square()).sum() / (curvatures * goal.square()).sum())


def _rows(update: Update, places: list[int]) -> Update:
    """Return the update of some of the trials."""
    return replace(
        update,
        parameters=update.parameters[places],
        gradients=update.gradients[places],
        rates=update.rates[places],
        counts=tuple(update.counts[place] for place in places),
    )
