"""Each cell against its equations, written afresh: values and gradients, in float64."""

from itertools import combinations

import pytest
import torch
from cell_equations import BATCH, EQUATIONS, FROM_ZERO, HIDDEN, INPUTS, OTHERS, STEPS

from longlag import registry
from longlag.scans.run import run_layer
from longlag.values.seeding import stream


def random_weights(cell):
    generator = stream("test", cell.spec).generator()
    shapes = cell.shapes(INPUTS, HIDDEN)
    return {name: torch.from_numpy(0.7 * generator.standard_normal(shape)) for name, shape in shapes.items()}


def by_equations(spec, weights, inputs):
    state = 0 if spec.partition(":")[0] in FROM_ZERO else torch.zeros(BATCH, HIDDEN).double()
    outputs = []
    for x in inputs:
        output, state = EQUATIONS[spec](weights, x, state)
        outputs.append(output)
    return torch.stack(outputs)


def outputs_and_gradients(run, weights, inputs, factors):
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    inputs = inputs.clone().requires_grad_()
    outputs = run(leaves, inputs)
    (outputs * factors).sum().backward()
    return outputs.detach(), {name: leaf.grad for name, leaf in leaves.items()} | {"inputs": inputs.grad}


def both(spec):
    cell, generator = registry.cell(spec), stream("test", "inputs").generator()
    weights = random_weights(cell)
    inputs = torch.from_numpy(generator.standard_normal((STEPS, BATCH, INPUTS)))
    factors = torch.from_numpy(generator.standard_normal((STEPS, BATCH, HIDDEN)))
    ours = outputs_and_gradients(lambda w, x: run_layer(cell, x, w), weights, inputs, factors)
    theirs = outputs_and_gradients(lambda w, x: by_equations(spec, w, x), weights, inputs, factors)
    return ours, theirs


@pytest.mark.parametrize("spec", EQUATIONS)
def test_outputs_and_gradients_follow_the_equations(spec):
    (ours, our_grads), (theirs, their_grads) = both(spec)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for name, gradient in their_grads.items():
        assert (gradient != 0).any(), name
        torch.testing.assert_close(our_grads[name], gradient, rtol=1e-9, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}")


def test_every_cell_is_held_against_its_equations():
    assert {spec.partition(":")[0] for spec in EQUATIONS} | {"gru"} == set(registry.names("cell")) - OTHERS


@pytest.mark.parametrize("spec", [spec for spec in EQUATIONS if len(registry.cell(spec).gate_widths(HIDDEN)) > 1])
def test_swapped_gates_would_be_seen(spec):
    """The blocks of a cell's input weights are not interchangeable: what they do is held by the equations."""
    cell, generator = registry.cell(spec), stream("test", "swap").generator()
    weights = random_weights(cell)
    inputs = torch.from_numpy(generator.standard_normal((STEPS, BATCH, INPUTS)))
    parts = list(weights["input_weight"].split(cell.parts("input_weight", HIDDEN), dim=1))
    equal = [pair for pair in combinations(range(len(parts)), 2) if parts[pair[0]].shape == parts[pair[1]].shape]
    first, last = equal[-1]
    parts[first], parts[last] = parts[last], parts[first]
    swapped = weights | {"input_weight": torch.cat(parts, 1)}
    assert (run_layer(cell, inputs, swapped) - by_equations(spec, weights, inputs)).abs().max() > 1e-4


@pytest.mark.parametrize(("beta_max", "lowest"), [(1, 0), (2, -1)])
def test_a_strength_of_two_lets_the_delta_rules_eigenvalues_reach_minus_one(beta_max, lowest):
    """A step without inputs but a key, written as strongly as can be, with a memory that does not decay."""
    cell = registry.cell(f"deltanet:key_size=3,beta_max={beta_max}")
    key = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    projected = torch.cat([key, key, torch.zeros(3), torch.tensor([-50.0, 50.0])]).double().unsqueeze(0)
    weights = {"rate": torch.zeros(1).double(), "offset": torch.zeros(1).double()}
    (transition,) = cell.step(projected, (torch.eye(3).double().unsqueeze(0),), weights)
    eigenvalues = torch.linalg.eigvalsh(transition[0])
    torch.testing.assert_close(eigenvalues, torch.tensor([lowest, 1.0, 1.0]).double(), atol=1e-9, rtol=0)


def test_heads_of_mamba2_are_layers_of_their_own_that_share_what_is_written_and_read():
    cell, one = registry.cell("mamba2:heads=2,numbers=3"), registry.cell("mamba2:numbers=3")
    generator = stream("test", "heads").generator()
    shapes = cell.shapes(INPUTS, 6)
    weights = {name: torch.from_numpy(generator.standard_normal(shape)) for name, shape in shapes.items()}
    inputs = torch.from_numpy(generator.standard_normal((STEPS, BATCH, INPUTS)))
    u, d, shared = weights.pop("input_weight").split([6, 2, 6], 1)
    halves = []
    for head in range(2):
        own = {name: value[head : head + 1] for name, value in weights.items()}
        own["input_weight"] = torch.cat([u[:, 3 * head : 3 * head + 3], d[:, head : head + 1], shared], 1)
        halves.append(run_layer(one, inputs, own))
    whole = run_layer(cell, inputs, weights | {"input_weight": torch.cat([u, d, shared], 1)})
    torch.testing.assert_close(whole, torch.cat(halves, -1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("entering", "forget"), [(200.0, 50.0), (-200.0, -50.0), (-200.0, 50.0)])
def test_the_exponential_gates_of_a_matrix_lstm_neither_overflow_nor_lose_their_gradient(entering, forget):
    """Every sum of a memory holds the same pair: whatever the gates, that of one step is read, or nothing at all."""
    cell, hidden = registry.cell("mlstm:key_size=2"), 3
    blocks = [[2.0, 2.0], [2.0, 2.0], [1.0, 2.0, 3.0], [entering], [forget], [50.0] * 3]
    bias = torch.tensor([number for block in blocks for number in block], requires_grad=True)
    weights = {"input_weight": torch.zeros(1, len(bias)), "bias": bias}
    outputs = run_layer(cell, torch.zeros(40, 1, 1), weights)
    expected = torch.tensor([1.0, 2.0, 3.0]) if entering > 0 else torch.zeros(hidden)
    torch.testing.assert_close(outputs, expected.expand(40, 1, hidden))
    (gradient,) = torch.autograd.grad(outputs.sum(), bias)
    assert gradient.isfinite().all()
    assert (gradient[4:7].abs() > 0.1).all() == (entering > 0)
