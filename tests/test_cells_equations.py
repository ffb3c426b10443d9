"""Each cell against its equations, written afresh for one step; values and gradients, in float64."""

import math

import numpy as np
import pytest
import torch

from bench import registry
from bench.scans import run_layer
from bench.seeding import stream

STEPS, BATCH, INPUTS, HIDDEN = 6, 3, 4, 5


def sigma(z):
    return 1 / (1 + torch.exp(-z))


def split(matrix, names, widths=HIDDEN):
    """Cut columns into named blocks."""
    sizes = [widths] * len(names) if isinstance(widths, int) else widths
    assert sum(sizes) == matrix.shape[-1]
    ends = np.cumsum([0, *sizes])
    return {name: matrix[..., ends[place] : ends[place + 1]] for place, name in enumerate(names)}


def affine(w, names, x, h):
    """Return x W + b + h U for each named gate, a matrix product a gate."""
    by_input, by_bias, by_state = (split(w[key], names) for key in ("input_weight", "bias", "recurrent_weight"))
    return {name: x @ by_input[name] + by_bias[name] + h @ by_state[name] for name in names}


def antisymmetric_matrix(values):
    matrix = torch.zeros(HIDDEN, HIDDEN, dtype=values.dtype)
    place = 0
    for row in range(HIDDEN):
        for column in range(row + 1, HIDDEN):
            matrix = matrix + values[place] * unit(row, column) - values[place] * unit(column, row)
            place += 1
    return matrix


def unit(row, column):
    matrix = torch.zeros(HIDDEN, HIDDEN).double()
    matrix[row, column] = 1
    return matrix


def softplus(z):
    return torch.log1p(torch.exp(z))


def modrelu(z, b):
    return torch.where(z.abs() + b > 0, z / z.abs() * (z.abs() + b), 0 * z)


# One function a cell: (weights, input of the step, state before) to (output, state after). A state of None is zero.


def rnn(f):
    def step(w, x, h):
        h = f(affine(w, ["h"], x, h)["h"])
        return h, h

    return step


def lstm(peepholes=False, forget=True, coupled=False):
    def step(w, x, state):
        h, c = (0, 0) if isinstance(state, int) else state
        names = [name for name in "ifgo" if not (name == "i" and coupled) and not (name == "f" and not forget)]
        a = affine(w, names, x, h if torch.is_tensor(h) else torch.zeros(BATCH, HIDDEN).double())
        gates = [name for name in names if name != "g"]
        p = split(w["peephole_weight"], gates) if peepholes else dict.fromkeys(gates, 0)
        f = sigma(a["f"] + p["f"] * c) if forget else 1
        i = 1 - f if coupled else sigma(a["i"] + p["i"] * c)
        c = f * c + i * torch.tanh(a["g"])
        h = sigma(a["o"] + p["o"] * c) * torch.tanh(c)
        return h, (h, c)

    return step


def gru_before(w, x, h):
    a = affine(w, "rzn", x, h)
    u = split(w["recurrent_weight"], "rzn")
    r, z = sigma(a["r"]), sigma(a["z"])
    n = torch.tanh(a["n"] - h @ u["n"] + (r * h) @ u["n"])
    h = z * h + (1 - z) * n
    return h, h


def mgu(w, x, h):
    a, u = affine(w, "fn", x, h), split(w["recurrent_weight"], "fn")
    f = sigma(a["f"])
    h = (1 - f) * h + f * torch.tanh(a["n"] - h @ u["n"] + (f * h) @ u["n"])
    return h, h


def ugrnn(w, x, h):
    a = affine(w, "gn", x, h)
    h = sigma(a["g"]) * h + (1 - sigma(a["g"])) * torch.tanh(a["n"])
    return h, h


def janet(beta):
    def step(w, x, h):
        a = affine(w, "fn", x, h)
        h = sigma(a["f"]) * h + (1 - sigma(a["f"] - beta)) * torch.tanh(a["n"])
        return h, h

    return step


def rhn(depth):
    def step(w, x, s):
        for layer in range(1, depth + 1):
            if layer == 1:
                a = affine(w, "ng", x, s)
            else:
                u, b = split(w[f"layer_{layer}_weight"], "ng"), split(w[f"layer_{layer}_bias"], "ng")
                a = {name: s @ u[name] + b[name] for name in "ng"}
            s = sigma(a["g"]) * torch.tanh(a["n"]) + (1 - sigma(a["g"])) * s
        return s, s

    return step


def antisymmetric(gated, epsilon=0.01, gamma=0.01):
    def step(w, x, h):
        m = antisymmetric_matrix(w["skew"]) - gamma * torch.eye(HIDDEN).double()
        v, b = split(w["input_weight"], "hz"[: 1 + gated]), split(w["bias"], "hz"[: 1 + gated])
        n = torch.tanh(x @ v["h"] + b["h"] + h @ m)
        h = h + epsilon * n * (sigma(x @ v["z"] + b["z"] + h @ m) if gated else 1)
        return h, h

    return step


def cornn(w, x, state):
    y, z = (torch.zeros(BATCH, HIDDEN).double(),) * 2 if isinstance(state, int) else state
    force = torch.tanh(x @ w["input_weight"] + w["bias"] + y @ w["recurrent_weight"] + z @ w["velocity_weight"])
    z = z + 0.042 * force - 0.042 * 2.7 * y - 0.042 * 4.7 * z
    y = y + 0.042 * z
    return y, (y, z)


def lem(w, x, state):
    y, z = (torch.zeros(BATCH, HIDDEN).double(),) * 2 if isinstance(state, int) else state
    v, b = split(w["input_weight"], "dezy"), split(w["bias"], "dezy")
    u = split(w["recurrent_weight"], "dez")
    d, e = (0.5 * sigma(x @ v[name] + b[name] + y @ u[name]) for name in "de")
    z = (1 - e) * z + e * torch.tanh(x @ v["z"] + b["z"] + y @ u["z"])
    y = (1 - d) * y + d * torch.tanh(x @ v["y"] + b["y"] + z @ w["slow_weight"])
    return y, (y, z)


def exprnn(w, x, h):
    a, turn, term = antisymmetric_matrix(w["skew"]), torch.eye(HIDDEN).double(), torch.eye(HIDDEN).double()
    for power in range(1, 60):  # the series itself
        term = term @ a / power
        turn = turn + term
    h = modrelu(x @ w["input_weight"] + h @ turn, w["magnitude_bias"])
    return h, h


def scornn(w, x, h):
    a, one = antisymmetric_matrix(w["skew"]), torch.eye(HIDDEN).double()
    d = torch.diag(torch.tensor([-1.0, -1, 1, 1, 1]).double())  # half of five, rounded to even
    turn = torch.linalg.inv(one + a) @ (one - a) @ d
    h = modrelu(x @ w["input_weight"] + (turn @ h.T).T, w["magnitude_bias"])
    return h, h


def indrnn(f):
    def step(w, x, h):
        h = f(x @ w["input_weight"] + w["bias"] + h * w["recurrent_weight"])
        return h, h

    return step


def mingru(w, x, h):
    v, b = split(w["input_weight"], "zn"), split(w["bias"], "zn")
    z = sigma(x @ v["z"] + b["z"])
    h = (1 - z) * h + z * (x @ v["n"] + b["n"])
    return h, h


def minlstm(w, x, h):
    v, b = split(w["input_weight"], "fin"), split(w["bias"], "fin")
    f, i = sigma(x @ v["f"] + b["f"]), sigma(x @ v["i"] + b["i"])
    h = f / (f + i) * h + i / (f + i) * (x @ v["n"] + b["n"])
    return h, h


def lru(w, x, s):
    v = split(w["input_weight"], ["real", "imaginary", "skip"])
    a = torch.exp(torch.complex(-torch.exp(w["nu"]), torch.exp(w["theta"])))
    s = a * s + torch.exp(w["gamma"]) * torch.complex(x @ v["real"], x @ v["imaginary"])
    c = torch.complex(w["read_real"], w["read_imaginary"])
    return (s @ c).real + x @ v["skip"], s


def selective(w, x, s):
    v = split(w["input_weight"], "udwr", [HIDDEN, HIDDEN, 3, 3])
    u, d = x @ v["u"], softplus(x @ v["d"] + w["step_bias"])
    s = torch.zeros(BATCH, 3, HIDDEN).double() if isinstance(s, int) else s
    state = torch.exp(torch.einsum("bh,nh->bnh", d, -torch.exp(w["a"]))) * s
    state = state + torch.einsum("bh,bh,bn->bnh", d, u, x @ v["w"])
    return torch.einsum("bn,bnh->bh", x @ v["r"], state) + w["skip"] * u, state


def deltanet(w, x, s):
    v = split(w["input_weight"], "qkvdb", [2, 2, HIDDEN, 1, 1])
    s = torch.zeros(BATCH, 2, HIDDEN).double() if isinstance(s, int) else s
    outputs, states = [], []
    for row in range(BATCH):  # a sequence at a time, with the matrices of the paper: S here is its transpose
        q, k, value, d, b = (x[row] @ v[name] for name in "qkvdb")
        q, k = q / q.square().sum().sqrt(), k / k.square().sum().sqrt()
        alpha, beta = torch.exp(-torch.exp(w["rate"]) * softplus(d + w["offset"])), sigma(b)
        erase = alpha * (torch.eye(2).double() - beta * torch.outer(k, k))
        states.append((s[row].T @ erase + beta * torch.outer(value, k)).T)
        outputs.append(states[-1].T @ q)
    return torch.stack(outputs), torch.stack(states)


def slstm(w, x, state):
    h, c, n = (torch.zeros(BATCH, HIDDEN).double(),) * 3 if isinstance(state, int) else state
    a = affine(w, "ifgo", x, h)
    i, f = torch.exp(a["i"]), sigma(a["f"])  # no stabiliser: numbers here are small
    c, n = f * c + i * torch.tanh(a["g"]), f * n + i
    h = sigma(a["o"]) * c / n
    return h, (h, c, n)


EQUATIONS = {
    "rnn": rnn(torch.tanh),
    "rnn:nonlinearity=linear": rnn(lambda z: z),
    "rnn:nonlinearity=sigmoid": rnn(sigma),
    "lstm": lstm(),
    "lstm:peepholes=true": lstm(peepholes=True),
    "lstm:forget_gate=false": lstm(forget=False),
    "lstm:forget_gate=false,peepholes=true": lstm(forget=False, peepholes=True),
    "lstm:coupled=true": lstm(coupled=True),
    "lstm:coupled=true,peepholes=true": lstm(coupled=True, peepholes=True),
    "gru:reset=before": gru_before,
    "mgu": mgu,
    "ugrnn": ugrnn,
    "janet": janet(1),
    "janet:beta=0.3": janet(0.3),
    "rhn:depth=1": rhn(1),
    "rhn": rhn(2),
    "rhn:depth=4": rhn(4),
    "antisymmetric": antisymmetric(False),
    "antisymmetric:gated=true,epsilon=0.3,gamma=0.2": antisymmetric(True, 0.3, 0.2),
    "cornn": cornn,
    "lem:dt=0.5": lem,
    "exprnn": exprnn,
    "scornn": scornn,
    "indrnn": indrnn(torch.relu),
    "indrnn:nonlinearity=tanh": indrnn(torch.tanh),
    "mingru": mingru,
    "minlstm": minlstm,
    "lru": lru,
    "selective:numbers=3": selective,
    "deltanet:key_size=2": deltanet,
    "slstm": slstm,
}
FROM_ZERO = {"lstm", "cornn", "lem", "lru", "selective", "deltanet", "slstm"}
"""Cells whose equations above start from the number 0; others start from a vector."""


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


OTHERS = {"torchrecurrent"}
"""The equations are the library's."""


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
    equal = [place for place, part in enumerate(parts) if part.shape == parts[0].shape]
    first, last = equal[0], equal[-1]
    parts[first], parts[last] = parts[last], parts[first]
    swapped = weights | {"input_weight": torch.cat(parts, 1)}
    assert (run_layer(cell, inputs, swapped) - by_equations(spec, weights, inputs)).abs().max() > 1e-4


# Sizes

CLOSED_FORMS = {  # parameters of a layer of I inputs and H units, and state numbers of a unit
    "rnn": (lambda i, h: h * (i + h + 1), 1),
    "lstm": (lambda i, h: 4 * h * (i + h + 1), 2),
    "lstm:forget_gate=false": (lambda i, h: 3 * h * (i + h + 1), 2),
    "lstm:coupled=true": (lambda i, h: 3 * h * (i + h + 1), 2),
    "lstm:peepholes=true": (lambda i, h: 4 * h * (i + h + 1) + 3 * h, 2),
    "lstm:forget_gate=false,peepholes=true": (lambda i, h: 3 * h * (i + h + 1) + 2 * h, 2),
    "gru": (lambda i, h: 3 * h * (i + h + 1) + h, 1),
    "gru:reset=before": (lambda i, h: 3 * h * (i + h + 1), 1),
    "mgu": (lambda i, h: 2 * h * (i + h + 1), 1),
    "ugrnn": (lambda i, h: 2 * h * (i + h + 1), 1),
    "janet": (lambda i, h: 2 * h * (i + h + 1), 1),
    "rhn": (lambda i, h: 2 * h * (i + 2 * (h + 1)), 1),
    "rhn:depth=5": (lambda i, h: 2 * h * (i + 5 * (h + 1)), 1),
    "antisymmetric": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "antisymmetric:gated=true": (lambda i, h: 2 * h * (i + 1) + h * (h - 1) // 2, 1),
    "cornn": (lambda i, h: h * (i + 2 * h + 1), 2),
    "lem": (lambda i, h: 4 * h * (i + h + 1), 2),
    "exprnn": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "scornn": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "indrnn": (lambda i, h: h * (i + 2), 1),
    "mingru": (lambda i, h: 2 * h * (i + 1), 1),
    "minlstm": (lambda i, h: 3 * h * (i + 1), 1),
    "lru": (lambda i, h: 3 * h * (i + 1) + 2 * h * h, 2),
    "selective": (lambda i, h: 2 * i * (h + 16) + 16 * h + 2 * h, 16),
    "deltanet": (lambda i, h: i * (2 * 16 + h + 2) + 2, 16),
    "slstm": (lambda i, h: 4 * h * (i + h + 1), 4),
}


@pytest.mark.parametrize(("inputs", "hidden"), [(2, 64), (10, 7), (64, 64)])
@pytest.mark.parametrize("spec", CLOSED_FORMS)
def test_parameters_and_state_are_as_many_as_the_closed_form_says(spec, inputs, hidden):
    cell, (count, state) = registry.cell(spec), CLOSED_FORMS[spec]
    assert cell.count(inputs, hidden) == count(inputs, hidden)
    assert cell.count(inputs, hidden) == sum(value.size for value in cell.initial_weights(inputs, hidden, 0).values())
    assert cell.state_count(hidden) == state * hidden
    assert cell.state_count(hidden) == sum(part.numel() for part in cell.start(1, hidden, torch.zeros(1)))


def test_every_cell_has_a_closed_form():
    assert set(registry.names("cell")) - OTHERS <= CLOSED_FORMS.keys()


# Initial weights


def weights_of(spec, inputs=10, hidden=100):
    cell = registry.cell(spec)
    values = cell.initial_weights(inputs, hidden, "test", 0)
    biases = values["bias"].reshape(-1, hidden) if cell.biased else ()
    return values, dict(zip(cell.gate_widths(hidden), biases, strict=cell.biased))


def test_gaussian_weights_have_the_deviation_asked_for_and_no_bias():
    values, _ = weights_of("rnn:init=gaussian,std=0.3")
    for name in ("input_weight", "recurrent_weight"):
        assert values[name].std() == pytest.approx(0.3, rel=0.1)
    assert (values["bias"] == 0).all()
    assert weights_of("rnn:init=gaussian")[0]["recurrent_weight"].std() == pytest.approx(0.1, rel=0.05)


def test_pascanus_weights_have_fifteen_nonzeros_a_unit_and_their_radius():
    values, _ = weights_of("rnn:init=pascanu")
    matrix = values["recurrent_weight"]
    assert ((matrix != 0).sum(0) == 15).all(), "into each unit: states @ weight"
    assert not ((matrix != 0).sum(1) == 15).all()
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(0.95)


@pytest.mark.parametrize("spec", ["lstm:init=chrono,span=40", "lstm:init=chrono,span=40,coupled=true"])
def test_chrono_biases_are_the_log_of_times_up_to_the_span(spec):
    _, bias = weights_of(spec, hidden=1000)
    times = np.exp(bias["forget"])
    assert times.min() == pytest.approx(1, abs=0.3)
    assert times.max() == pytest.approx(39, abs=0.5)
    assert times.mean() == pytest.approx(20, rel=0.1)
    assert "input" not in bias or (bias["input"] == -bias["forget"]).all()
    assert (np.abs(bias["output"]) <= 1000**-0.5).all()


@pytest.mark.parametrize(("spec", "gate", "value"), [
    ("lstm:coupled=true", "forget", 1), ("lstm:peepholes=true,forget_bias=3", "forget", 3), ("rhn", "transform", -2),
    ("ugrnn", "update", 1), ("janet:forget_bias=2", "forget", 2), ("minlstm", "forget", 1), ("slstm", "forget", 1),
])  # fmt: skip
def test_only_the_gate_meant_starts_with_its_bias(spec, gate, value):
    _, bias = weights_of(spec)
    assert (bias.pop(gate) == value).all()
    assert all((np.abs(other) <= 0.1).all() and (other != 0).all() for other in bias.values())


def test_options_that_only_concern_other_weights_keep_the_default_ones():
    for one, other in [("lstm", "lstm:forget_bias=5"), ("rnn", "rnn:init=pascanu"), ("janet", "janet:init=chrono")]:
        assert (weights_of(one)[0]["input_weight"] == weights_of(other)[0]["input_weight"]).all()


def test_linear_recurrent_units_start_on_the_ring_asked_for():
    values, _ = weights_of("lru:r_min=0.9,r_max=0.99,max_phase=0.3", hidden=500)
    radius, phase = np.exp(-np.exp(values["nu"])), np.exp(values["theta"])
    assert 0.9 <= radius.min() < radius.max() <= 0.99
    assert 0 <= phase.min() < phase.max() <= 0.3
    np.testing.assert_allclose(np.exp(values["gamma"]), np.sqrt(1 - radius**2))
    assert np.isfinite(weights_of("lru")[0]["nu"]).all()


def test_selective_steps_start_between_a_thousandth_and_a_tenth():
    values, _ = weights_of("selective", hidden=500)
    steps = np.log1p(np.exp(values["step_bias"]))
    assert 0.001 <= steps.min() < 0.002
    assert 0.05 < steps.max() <= 0.1
    assert (np.exp(values["a"])[:, 7].round(9) == np.arange(1, 17)).all()


@pytest.mark.parametrize("hidden", [1, 2, 5, 8])
@pytest.mark.parametrize("spec", ["exprnn", "exprnn:init=cayley", "scornn"])
def test_orthogonal_cells_start_with_rotations_of_planes(spec, hidden):
    cell = registry.cell(spec)
    values = cell.initial_weights(3, hidden, "test", 0)
    matrix = cell.prepare({name: torch.from_numpy(value) for name, value in values.items()})["orthogonal"].numpy()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(hidden), atol=1e-12)
    inside = np.kron(np.eye(-(-hidden // 2)), np.ones((2, 2)))[:hidden, :hidden] > 0
    np.testing.assert_allclose(matrix[~inside], 0, atol=1e-12)
    assert hidden < 2 or (np.abs(np.diag(matrix)[:2]) < 1).all()


def test_henaffs_angles_fill_the_circle_and_cayleys_a_quarter():
    def cosines(spec):
        cell = registry.cell(spec)
        values = cell.initial_weights(3, 400, "test", 0)
        matrix = cell.prepare({name: torch.from_numpy(value) for name, value in values.items()})["orthogonal"]
        return matrix.diagonal()[::2].numpy()

    assert cosines("exprnn").min() < -0.99
    assert cosines("exprnn").max() > 0.99
    signs = np.where(np.arange(400) < 200, -1, 1)[::2]
    turned = cosines("scornn") * signs
    assert turned.min() > -1e-9
    assert turned.max() == pytest.approx(1, abs=0.01)
    assert math.isclose(turned.mean(), 2 / math.pi, abs_tol=0.05)
