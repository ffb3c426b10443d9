"""Three cells written out a second time, for tests only: one tensor a gate, backward passes by autograd.

Nothing of longlag's networks or scans is used. Tensors are named as in a layout, with the gate's number behind:
``0.input_weight:2``.
"""

from dataclasses import dataclass

import torch

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
STATES = {"rnn": ("h",), "gru": ("h",), "lstm": ("h", "c")}
SIDE_BY_SIDE = ("0.input_weight", "0.bias", "0.recurrent_weight")
SLOPES = {"tanh": lambda h: 1 - h**2, "relu": lambda h: (h > 0).double()}


def split(cell, arrays):
    """Take the tensors of a network's row apart, a tensor a gate, as copies."""
    found = {}
    for name, array in arrays.items():
        gates = GATES[cell.partition(":")[0]] if name in SIDE_BY_SIDE else 1
        tensor = torch.as_tensor(array, dtype=torch.float64)
        for gate, part in enumerate(tensor.split(tensor.shape[-1] // gates, dim=-1)):
            found[f"{name}:{gate}"] = part.clone()
    return found


@dataclass
class Step:
    """What one time step saw, and the gradient by the states that it handed on, once that is known."""

    projected: list
    before: tuple
    signal: list


def advance(cell, projected, state, weights):
    """Elman 1990; Cho et al. 2014 with the reset after the product; Gers et al. 2000."""
    name = cell.partition(":")[0]
    h = state[0]
    hidden = [h @ weights[f"0.recurrent_weight:{gate}"] for gate in range(GATES[name])]
    if name == "rnn":
        return (torch.relu if "relu" in cell else torch.tanh)(projected[0] + hidden[0]), ()
    if name == "gru":
        r, z = (torch.sigmoid(projected[gate] + hidden[gate]) for gate in (0, 1))
        n = torch.tanh(projected[2] + r * (hidden[2] + weights["0.candidate_bias:0"]))
        return (1 - z) * n + z * h, ()
    i, f, o = (torch.sigmoid(projected[gate] + hidden[gate]) for gate in (0, 1, 3))
    c = f * state[1] + i * torch.tanh(projected[2] + hidden[2])
    return o * torch.tanh(c), (c,)


def outputs_of(cell, weights, batch, truncate=0, limit=None, trace=None):
    """Return the outputs (N, O) at the scored steps; the signal is held to a limit on the way back."""
    name = cell.partition(":")[0]
    size = weights["0.input_weight:0"].shape[0]
    tokens = not batch.inputs.is_floating_point()
    inputs = torch.nn.functional.one_hot(batch.inputs, size).double() if tokens else batch.inputs.double()
    hidden_size = weights["0.recurrent_weight:0"].shape[0]
    start = (weights.get(f"0.initial_{state}:0", torch.zeros(hidden_size).double()) for state in STATES[name])
    state = tuple(part.expand(inputs.shape[1], -1) for part in start)
    into = [inputs @ weights[f"0.input_weight:{gate}"] + weights[f"0.bias:{gate}"] for gate in range(GATES[name])]
    made = []
    for t, projected in enumerate(zip(*into, strict=True)):
        if truncate and t and t % truncate == 0:
            state = tuple(part.detach() for part in state)
        before, (h, others) = state, advance(cell, projected, state, weights)
        state = (h, *(other.clone() for other in others))  # what step t hands on, apart from its way through h
        if trace is not None:
            trace.append(Step(projected, before, [torch.zeros_like(part) for part in state]))
            for place, part in enumerate(state):
                part.register_hook(_held(trace[-1], place, limit))
        made.append(h)
    return torch.stack(made)[batch.mask] @ weights["readout.weight:0"] + weights["readout.bias:0"]


def _held(step, place, limit):
    def hook(signal):
        step.signal[place] = signal if limit is None else signal.clamp(-limit, limit)
        return step.signal[place]

    return hook


def loss_of(outputs, batch):
    if batch.targets.is_floating_point():
        return ((outputs - batch.targets) ** 2).mean()
    right = outputs.gather(1, batch.targets[:, None])[:, 0]
    return (outputs.logsumexp(1) - right).mean()


def errors_of(outputs, batch):
    if batch.targets.is_floating_point():
        return ((outputs - batch.targets) ** 2)[:, 0]
    return (outputs.max(1).indices != batch.targets).double()


def gradient_of(cell, weights, batch, truncate=0, limit=None, omega=0.0):
    """Return the loss, and its gradient by each tensor."""
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    trace = None if limit is None and not omega else []
    loss = loss_of(outputs_of(cell, leaves, batch, truncate, limit, trace), batch)
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    gradient = dict(zip(leaves, found, strict=True))
    if omega:
        for name, part in omega_of(cell, weights, trace).items():
            gradient[name] = gradient[name] + omega * part
    return loss.item(), gradient


def omega_of(cell, weights, trace):
    """Pascanu, Mikolov & Bengio 2013, equations 9 and 10: the immediate gradient, by the recurrent weights."""
    free = {name: value.clone().requires_grad_() for name, value in weights.items() if name.startswith("0.recurrent")}
    free |= {name: value.clone().requires_grad_() for name, value in weights.items() if "candidate_bias" in name}
    ratios = []
    for step in trace:
        lengths = torch.cat(step.signal, 1).norm(dim=1)
        rows = lengths > 1e-10
        signal = [part[rows] / lengths[rows, None] for part in step.signal]
        projected = [part[rows].detach() for part in step.projected]
        before = tuple(part[rows].detach().requires_grad_() for part in step.before)
        h, others = advance(cell, projected, before, weights | free)
        if cell.startswith("rnn"):  # its slope is a constant there
            slope = SLOPES["relu" if "relu" in cell else "tanh"](h.detach())
            back = (signal[0] * slope) @ free["0.recurrent_weight:0"].T
        else:
            back = torch.cat(torch.autograd.grad((h, *others), before, signal, create_graph=True), 1)
        ratios.append(back.norm(dim=1))
    if not sum(map(len, ratios)):
        return {}
    omega = ((torch.cat(ratios) - 1) ** 2).mean()
    return dict(zip(free, torch.autograd.grad(omega, list(free.values()), materialize_grads=True), strict=True))
