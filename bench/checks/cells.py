"""The contract of a cell, checked on one layer of a network, as a trial would run it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longlag import registry
from longlag.cells.base import Cell, Weights
from longlag.checks.cost import update_ratio
from longlag.checks.finding import Finding, expect, findings, global_state_untouched
from longlag.checks.layer import BATCH, INPUTS, STEPS, SmallLayer, close, sequences
from longlag.checks.trials import company
from longlag.networks.build import assembled
from longlag.scans.run import run_readable

ROUNDED = 1e-4
"""The relative difference allowed between float64 and float32."""
_MANY_NUMBERS = 500
_FEW_VALUES = 2
"""A tensor with at most this many different numbers need not be drawn at random."""


def check_cell(spec: str, timed: bool = True) -> Iterator[Finding]:
    """Check a cell's contract.

    Args:
        spec: The cell, as users write it.
        timed: Measure its cost as well.

    Raises:
        UsageError: There is no such cell.
    """
    layer = CheckedLayer(registry.cell(spec))
    rules: dict[str, Callable[[], str]] = {
        "shapes": layer.shapes,
        "global state": layer.global_state,
        "determinism": layer.determinism,
        "tokens": layer.tokens,
        "causality": layer.causality,
        "gradient": layer.gradient,
        "batch": layer.batch,
        "cohort": lambda: company(cell=spec),
        "float64": layer.float64,
        "derivatives": layer.derivatives,
        "fused": layer.fused,
        "counts": layer.counts,
    }
    if timed:
        rules["cost"] = lambda: update_ratio(registry.cell(spec))
    return findings(rules, needed=("shapes", "determinism"))


@dataclass(frozen=True)
class CheckedLayer(SmallLayer):
    """The rules, each a method that returns its observation, or raises."""

    def shapes(self) -> str:
        """Weights and states are as declared, and outputs have one place for every step, sequence and unit."""
        self._as_stated()
        weights = self.weights(dtype=torch.float32)
        outputs = self.run(self.inputs(dtype=torch.float32), weights)
        expect(outputs.dtype == torch.float32, f"float32 inputs and weights give {outputs.dtype} outputs")
        expect(outputs.isfinite().all(), "outputs are not finite with initial weights")
        kept = self.cell.kept_losses(INPUTS, self.hidden_size)
        expect(not kept, f"forward keeps a loss in {', '.join(kept)}, which is never added: the loss is the task's")
        one = self.run(self.inputs(steps=1, dtype=torch.float32), weights).shape
        expect(one == (1, BATCH, self.hidden_size), "one step alone fails")
        read = "tokens (T, B)" if self.reads_tokens else "inputs (T, B, I)"
        return f"{read} = {tuple(self.inputs().shape)} give outputs (T, B, H) = {tuple(outputs.shape)}"

    def tokens(self) -> str:
        """A token has the same effect as its one-hot vector."""
        if self.reads_tokens:
            return "reads tokens itself"
        tokens = torch.tensor([[0, 2], [1, 1], [2, 0]])
        vectors = torch.nn.functional.one_hot(tokens, INPUTS).double()
        same = close(self.run(tokens, self.weights()), self.run(vectors, self.weights()))
        expect(same, "a token gives other outputs than its one-hot vector")
        return "a token has the same effect as its one-hot vector"

    def causality(self) -> str:
        """No output depends on a later input."""
        weights, inputs = self.weights(), self.inputs()
        before = self.run(inputs, weights)
        for step in range(1, STEPS):
            changed = torch.cat([inputs[:step], self.others(inputs[step:])])
            after = self.run(changed, weights)
            for place in range(step):
                kept = close(before[place], after[place])
                expect(kept, f"the output of step {place} changes with inputs from step {step} on")
        return "no output depends on a later input"

    def gradient(self) -> str:
        """The last output has a gradient by the input of every step."""
        if self.reads_tokens:
            return self._last_sees_first()
        inputs = sequences().requires_grad_()
        weights = {name: value.detach() for name, value in self.weights().items()}
        factors = sequences(9)[0, :, :1]  # unequal, so that nothing cancels
        outputs = self.run(inputs, weights)
        expect(outputs.requires_grad, "outputs have no gradient: something is detached, or runs under no_grad")
        (by_inputs,) = torch.autograd.grad((outputs[-1] * factors).sum(), inputs, materialize_grads=True)
        reach = by_inputs.abs().sum((1, 2))
        seen = self.network.reach(STEPS)
        for step, size in enumerate(reach.tolist()):
            expect(size > 0 or step < STEPS - seen, f"the last output has no gradient at step {step}")
            expect(size == 0 or step >= STEPS - seen, f"the last output has a gradient at step {step}, out of reach")
        if seen < STEPS:
            return f"the last of {STEPS} outputs has a gradient at the {seen} steps that it should reach"
        ratio = reach[0] / reach[-1]
        return f"the last of {STEPS} outputs has a gradient at the first step, {ratio:.2g} of that at the last"

    def _last_sees_first(self) -> str:
        inputs, weights = self.inputs(), self.weights()
        changed = torch.cat([self.others(inputs[:1]), inputs[1:]])
        same = torch.equal(self.run(inputs, weights)[-1], self.run(changed, weights)[-1])
        expect(not same, "the last output does not depend on the first token")
        return f"the last of {STEPS} outputs depends on the first token"

    def batch(self) -> str:
        """Sequences of a batch do not influence each other."""
        weights, inputs = self.weights(), self.inputs()
        before = self.run(inputs, weights)
        changed = inputs.clone()
        changed[:, 1] = self.others(inputs[:, 1])
        after = self.run(changed, weights)
        for other in (0, 2, 3):
            expect(close(before[:, other], after[:, other]), f"sequence {other} changes when sequence 1 does")
        alone = torch.cat([self.run(inputs[:, [place]], weights) for place in range(BATCH)], 1)
        expect(close(before, alone), "a sequence alone gives other outputs than in a batch")
        return "a sequence gives the same outputs alone, in a batch and beside other sequences"

    def determinism(self) -> str:
        """Equal inputs and weights give equal bytes; equal seeds equal weights."""
        weights = self.weights()
        first = self.run(self.inputs(), weights)
        expect(first.isfinite().all(), "outputs are not finite")
        self.run(self.inputs(1), weights)  # after other calls, which may have left state behind
        again = self.run(self.inputs(), weights)
        kept = "the module keeps something between calls, or draws noise in evaluation, too"
        expect(torch.equal(first, again), f"the same inputs give other outputs the second time: {kept}")
        return f"the same bytes every time; {self._follow_the_seed()}"

    def _follow_the_seed(self) -> str:
        """The cell's own initial weights depend on the seed; those of the readout do in any case."""
        one, again, other = (self.network.layout.arrays(self.network.initial_row(seed)) for seed in (0, 0, 1))
        same = all((one[name] == again[name]).all() for name in one)
        expect(same, "the same seed gives other initial weights the second time")
        own = [name for name in one if not name.startswith("readout.")]
        fixed = [name for name in own if (one[name] == other[name]).all()]
        drawn = [name for name in fixed if len(np.unique(one[name])) > _FEW_VALUES]  # zeros, ones, an identity
        expect(not drawn or len(fixed) < len(own), "every seed gives the same initial weights, except the readout's")
        names = ", ".join(repr(name.partition(".")[2]) for name in drawn)
        return "initial weights follow the seed" + f"; every seed starts from the same {names}" * bool(drawn)

    def global_state(self) -> str:
        """Nothing is drawn from global generators, and no setting of the process is changed."""

        def work() -> list[Tensor]:
            weights = {name: value.requires_grad_() for name, value in self.weights().items()}
            outputs = self.run(self.inputs(), weights)
            return [outputs.detach(), torch.from_numpy(self.network.initial_row(0))]

        return global_state_untouched(work, lambda one, other: all(map(torch.equal, one, other)))  # type: ignore[call-overload]

    def float64(self) -> str:
        """Everything runs in float64 too, and agrees."""
        exact = self.run(self.inputs(), self.weights())
        expect(exact.dtype == torch.float64, f"float64 inputs and weights give {exact.dtype} outputs")
        rough = self.run(self.inputs(dtype=torch.float32), self.weights(dtype=torch.float32)).double()
        furthest = float((exact - rough).abs().max())
        expect(close(exact, rough, ROUNDED), f"float32 is {furthest:.1e} away from float64")
        return f"runs, float32 is within {furthest:.0e} of it"

    def derivatives(self) -> str:
        """Autograd's gradients agree with finite differences."""
        weights, rest = self.trained()
        inputs = self.inputs(steps=3)[:, :2].clone()
        leaves = [inputs.requires_grad_(), *weights.values()] if inputs.is_floating_point() else [*weights.values()]

        def outputs(*values: Tensor) -> Tensor:
            seen = values[0] if inputs.is_floating_point() else inputs
            return self.run(seen, rest | dict(zip(weights, values[-len(weights) :], strict=True)))

        fast = sum(leaf.numel() for leaf in leaves) > _MANY_NUMBERS  # along one direction instead of along each
        same = torch.autograd.gradcheck(outputs, leaves, raise_exception=False, fast_mode=fast)
        expect(same, "gradients differ from finite differences")
        return "gradients agree with finite differences"

    def fused(self) -> str:
        """The fused path, if there is one, computes the same as the readable one."""
        network = self.network
        if network.path("cpu", "float64") != "fused":
            return "no kernel: runs on the readable path"

        def by_steps(inputs: Tensor, weights: Weights) -> Tensor:
            ((cell, own),) = network.scans(weights)
            return run_readable(cell, inputs, own)

        both_paths = []
        for run in (self.run, by_steps):
            weights = {name: value.requires_grad_() for name, value in self.weights().items()}
            used = [value for name, value in weights.items() if not name.startswith("readout.")]
            outputs = run(sequences(), weights)
            gradients = torch.autograd.grad((outputs * sequences(9)[..., :1]).sum(), used)
            both_paths.append([outputs.detach(), *gradients])
        for one, other in zip(*both_paths, strict=True):
            expect(close(one, other, 1e-8), f"fused and readable differ by {float((one - other).abs().max()):.1e}")
        return "values and gradients equal the readable path's"

    def counts(self) -> str:
        """Every parameter has an effect on the outputs."""
        weights, rest = self.trained()
        signal = (self.run(self.inputs(), weights | rest) * sequences(9)[..., :1]).sum()
        gradients = torch.autograd.grad(signal, list(weights.values()), materialize_grads=True)
        for name, gradient in zip(weights, gradients, strict=True):
            expect((gradient != 0).any(), f"weight {name.partition('.')[2]!r} is counted but has no effect")
        size = 64 * self.cell.width_step // math.gcd(64, self.cell.width_step)
        large = assembled(self.cell, 2, 1, size, length=100)
        parameters = large.num_parameters - size - 1  # without the readout
        counted = f"with {size} units and 2 inputs {parameters} parameters, a state of {large.state_size} numbers"
        return f"every parameter has an effect; {counted}" + f", {large.num_frozen} frozen" * bool(large.num_frozen)

    def learns(self) -> str:
        """The loss has a gradient by the trained weights: no operation cuts every path to them."""
        weights, rest = self.trained()
        signal = (self.run(self.inputs(), weights | rest) * sequences(9)[..., :1]).sum()
        names = [name for name, value in weights.items() if value.numel()]
        if not names:
            return "has no trained weights"
        expect(signal.requires_grad, "outputs have no gradient: something is detached, or runs under no_grad")
        gradients = torch.autograd.grad(signal, list(weights.values()), materialize_grads=True)
        reached = sum(bool((gradient != 0).any()) for gradient in gradients)
        expect(reached, "no weight of its own has a gradient: only the readout would learn")
        return f"a gradient reaches {reached} of {len(names)} weights"

    def _as_stated(self) -> None:
        for cell, weights in self.network.scans(self.weights()):
            as_stated(cell, weights, self.hidden_size)


def as_stated(cell: Cell, weights: Weights, hidden_size: int) -> None:
    """Compare initial weights, and the state that a step returns, with the shapes that a cell declares.

    Raises:
        BrokenRuleError: Weights or names of states differ from the declared ones.
    """
    stated = cell.shapes(INPUTS, hidden_size)
    drawn = cell.initial_weights(INPUTS, hidden_size, "check")
    expect(drawn.keys() == stated.keys(), f"initialise leaves weights {list(drawn)}, declared are {list(stated)}")
    for name, shape in stated.items():
        expect(drawn[name].shape == shape, f"weight {name!r} has shape {drawn[name].shape}, declared is {shape}")
        expect(drawn[name].dtype == np.float64, f"weight {name!r} is drawn as {drawn[name].dtype}, not float64")
    named = list(cell.state_shapes(hidden_size))
    expect(named == list(cell.states), f"state_shapes names {named}, but states names {list(cell.states)}")
    run_readable(cell, sequences(steps=1), weights)  # checks the state that a step returns
