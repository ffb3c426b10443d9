"""The equations of each cell, written afresh for one step, in float64."""

import numpy as np
import torch

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
    by_input, by_bias = (split(w[key], names) for key in ("input_weight", "bias"))
    by_state = recurrent_matrices(w, names)
    return {name: x @ by_input[name] + by_bias[name] + h @ by_state[name] for name in names}


def recurrent_matrices(w, names):
    blocks = split(w["recurrent_weight"], names)
    return {name: block if block.ndim == 2 else torch.diag(block) for name, block in blocks.items()}


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
    a, u = affine(w, "rzn", x, h), recurrent_matrices(w, "rzn")
    r, z = sigma(a["r"]), sigma(a["z"])
    n = torch.tanh(a["n"] - h @ u["n"] + (r * h) @ u["n"])
    h = z * h + (1 - z) * n
    return h, h


def gru_after(w, x, h):
    a, product = affine(w, "rzn", x, h), h @ recurrent_matrices(w, "rzn")["n"]
    r, z = sigma(a["r"]), sigma(a["z"])
    n = torch.tanh(a["n"] - product + r * (product + w["candidate_bias"]))
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


def deltanet(beta_max=1.0, n=1):
    def step(w, x, s):
        v = split(w["input_weight"], "qkvdb", [2, 2 * n, HIDDEN * n, 1, n])
        s = torch.zeros(BATCH, 2, HIDDEN).double() if isinstance(s, int) else s
        outputs, states = [], []
        for row in range(BATCH):  # a sequence at a time, with the matrices of the paper: S here is its transpose
            q, k, value, d, b = (x[row] @ v[name] for name in "qkvdb")
            alpha = torch.exp(-torch.exp(w["rate"]) * softplus(d + w["offset"]))
            memory = alpha * s[row].T
            for j in range(n):
                key, beta = k[2 * j : 2 * j + 2], beta_max * sigma(b[j])
                key = key / key.square().sum().sqrt()
                erase = torch.eye(2).double() - beta * torch.outer(key, key)
                memory = memory @ erase + beta * torch.outer(value[HIDDEN * j : HIDDEN * (j + 1)], key)
            states.append(memory.T)
            outputs.append(memory @ q / q.square().sum().sqrt())
        return torch.stack(outputs), torch.stack(states)

    return step


def slstm(w, x, state):
    h, c, n = (torch.zeros(BATCH, HIDDEN).double(),) * 3 if isinstance(state, int) else state
    a = affine(w, "ifgo", x, h)
    i, f = torch.exp(a["i"]), sigma(a["f"])  # no stabiliser: numbers here are small
    c, n = f * c + i * torch.tanh(a["g"]), f * n + i
    h = sigma(a["o"]) * c / n
    return h, (h, c, n)


def mlstm(w, x, state):
    widths = [2, 2, HIDDEN, 1, 1, HIDDEN]
    v, b = split(w["input_weight"], "qkvifo", widths), split(w["bias"], "qkvifo", widths)
    memories, normalisers = (torch.zeros(BATCH, HIDDEN, 2), torch.zeros(BATCH, 2)) if isinstance(state, int) else state
    outputs, after = [], []
    for row in range(BATCH):  # a sequence at a time, with the matrices of the paper, and no stabiliser
        q, k, value, i, f, o = (x[row] @ v[name] + b[name] for name in "qkvifo")
        memory = sigma(f) * memories[row] + torch.exp(i) * torch.outer(value, k / 2**0.5)
        n = sigma(f) * normalisers[row] + torch.exp(i) * k / 2**0.5
        after.append((memory, n))
        outputs.append(sigma(o) * (memory @ q) / max((n @ q).abs(), torch.tensor(1.0).double()))
    return torch.stack(outputs), tuple(torch.stack(parts) for parts in zip(*after, strict=True))


def rwkv7(w, x, s):
    v = split(w["input_weight"], "rdkva", [2, 2, 2, HIDDEN, 2])
    s = torch.zeros(BATCH, HIDDEN, 2).double() if isinstance(s, int) else s
    outputs, states = [], []
    for row in range(BATCH):
        r, d, k, value, a = (x[row] @ v[name] for name in "rdkva")
        decay = torch.exp(-sigma(d + w["decay_start"]) / np.e**0.5)
        a = sigma(a + w["rate_start"])
        removed = k * w["removal"] / (k * w["removal"]).square().sum().sqrt()
        written = (1 - w["mixing"]) * k + w["mixing"] * a * k
        transition = torch.diag(decay) - torch.outer(removed, a * removed)
        states.append(s[row] @ transition + torch.outer(value, written))
        outputs.append(states[-1] @ r)
    return torch.stack(outputs), torch.stack(states)


def mamba2(heads):
    def step(w, x, s):
        v = split(w["input_weight"], "udwr", [HIDDEN, heads, 3, 3])
        s = torch.zeros(BATCH, HIDDEN, 3).double() if isinstance(s, int) else s
        d = softplus(x @ v["d"] + w["offset"])
        outputs, states = [], []
        for unit in range(HIDDEN):
            head = unit * heads // HIDDEN
            u, size = x @ v["u"][:, unit : unit + 1], d[:, head : head + 1]
            states.append(torch.exp(-size * torch.exp(w["rate"][head])) * s[:, unit] + size * u * (x @ v["w"]))
            outputs.append((x @ v["r"] * states[-1]).sum(1) + w["skip"][head] * u[:, 0])
        return torch.stack(outputs, 1), torch.stack(states, 1)

    return step


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
    "lstm:diagonal=true": lstm(),
    "lstm:coupled=true,diagonal=true,peepholes=true": lstm(coupled=True, peepholes=True),
    "gru:reset=before": gru_before,
    "gru:diagonal=true": gru_after,
    "gru:diagonal=true,reset=before": gru_before,
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
    "deltanet:key_size=2": deltanet(),
    "deltanet:key_size=2,beta_max=2": deltanet(2.0),
    "deltanet:key_size=2,householders=2": deltanet(n=2),
    "deltanet:key_size=2,beta_max=1.5,householders=2": deltanet(1.5, 2),
    "slstm": slstm,
    "mlstm:key_size=2": mlstm,
    "rwkv7:key_size=2": rwkv7,
    "mamba2:numbers=3": mamba2(1),
    "mamba2:heads=5,numbers=3": mamba2(5),
}
FROM_ZERO = {"lstm", "cornn", "lem", "lru", "selective", "deltanet", "slstm", "mlstm", "rwkv7", "mamba2"}
"""Cells whose equations above start from the number 0; others start from a vector."""

OTHERS = {"torchrecurrent"}
"""The equations are the library's."""
