"""Gates: how far each unit opens its gates, by step and by symbol.

Gates are computed on the readable path, step by step (`Cell.gate_values`), since kernels do not store them. For the
gate f that keeps the state (an LSTM's forget, a GRU's update gate), a unit's memory is

    -1 / mean_t log f      the steps after which it has kept 1/e

with the mean over steps and sequences. Gate values at steps that must be carried (`Task.carried`) are reported
separately from those at other steps.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.lens.base import Lens, Subject
from longlag.lens.support.steps import no_steps
from longlag.networks.recurrent import Network
from longlag.tasks.base import Batch
from longlag.values.frames import Found, Number, Part, rounded

OPEN, CLOSED = 0.9, 0.1
BINS = 20
_MOST_STEPS, _MOST_UNITS = 200, 64
"""The most steps and units of the one sequence whose gates are reported step by step."""


class Gates(Lens):
    """Gates by step, symbol and unit."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "gates by unit, symbol and step, and the memory that they imply: lstm and gru, one layer"
    reference: ClassVar[str] = "after Tallec & Ollivier 2018; Karpathy, Johnson & Fei-Fei 2016, arXiv:1506.02078"

    def refusal(self, subject: Subject) -> str:
        """Return why there are no gates to read; empty where there are."""
        if why := no_steps(subject):
            return why
        network = subject.network
        assert isinstance(network, Network), "no_steps refuses others"
        if not network.cell.keeping_gate:
            return f"cell {network.cell.name()} reports no gates"
        if network.wiring.layers > 1 or network.wiring.direction != "forward":
            layers = f"{network.wiring.layers} layers, {network.wiring.direction}"
            return f"gates are shown for one layer in one direction, not for {layers}"
        return ""

    def frame(self, subject: Subject) -> Found:
        """Return ``units``, ``symbols``, ``histogram``, and ``trace``: the gates of the first sequence."""
        batch, network = subject.batches[0], subject.network
        assert isinstance(network, Network), "refusal refuses others"
        (weights,) = network.by_scan(network.layout.views(subject.row))
        gates = gates_along(network.cell, weights, batch.inputs)
        inside = _inside(batch)
        carried = subject.task.carried(batch) & inside
        numbers: dict[str, Number] = {}
        for name, values in gates.items():
            for where, steps in (("carried", carried), ("elsewhere", inside & ~carried)):
                numbers[f"{name}_{where}"] = rounded(float(values[steps].mean())) if bool(steps.any()) else None
        keeping = network.cell.keeping_gate
        if keeping in gates:
            memory = _memory(gates[keeping][inside])
            numbers |= {
                "memory": rounded(float(np.median(memory))),
                "memory_90": rounded(float(np.quantile(memory, 0.9))),
                "memory_longest": rounded(float(memory.max())),
            }
        parts = {
            "units": _by_unit(gates, keeping, inside),
            "histogram": _histogram(gates, inside),
            "trace": _trace(gates, batch, inside, subject.task.token_names),
        }
        if not batch.inputs.is_floating_point():
            parts["symbols"] = _by_symbol(gates, batch.inputs, inside)
        return Found(numbers, parts)


@torch.no_grad()
def gates_along(cell: Cell, weights: dict[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
    """Return each gate at every step, (T, B, H), on the readable path."""
    projected, prepared = cell.project(inputs, weights), cell.prepare(weights)
    state = cell.start(inputs.shape[1], cell.hidden_size(weights), projected)
    by_gate: dict[str, list[Tensor]] = {}
    for step in projected:
        for name, values in cell.gate_values(step, state, prepared).items():
            by_gate.setdefault(name, []).append(values)
        state = cell.step(step, state, prepared)
    return {name: torch.stack(values).double() for name, values in by_gate.items()}


def _inside(batch: Batch) -> Tensor:
    """Return which steps lie within their sequence, (T, B) bool."""
    if batch.lengths is None:
        return torch.ones_like(batch.mask)
    return torch.arange(len(batch.mask)).unsqueeze(1) < batch.lengths


def _memory(keeping: Tensor) -> np.ndarray:
    """Return the memory of each unit in steps, (H,), from its keeping gate at many steps, (N, H)."""
    mean = keeping.clamp(min=1e-30).log().mean(0)
    return np.asarray((-1 / mean.clamp(max=-1e-9)).numpy())


def _by_unit(gates: dict[str, Tensor], keeping: str, inside: Tensor) -> Part:
    table: Part = {name: [] for name in ("gate", "unit", "mean", "open", "closed", "memory")}
    for name, values in gates.items():
        seen = values[inside]
        count = seen.shape[1]
        table["gate"] += [name] * count
        table["unit"] += list(range(count))
        table["mean"] += [rounded(value) for value in seen.mean(0).tolist()]
        table["open"] += [rounded(value) for value in (seen > OPEN).double().mean(0).tolist()]
        table["closed"] += [rounded(value) for value in (seen < CLOSED).double().mean(0).tolist()]
        memory = _memory(seen).tolist() if name == keeping else [None] * count
        table["memory"] += [None if value is None else rounded(value) for value in memory]
    return table


def _by_symbol(gates: dict[str, Tensor], tokens: Tensor, inside: Tensor) -> Part:
    table: Part = {name: [] for name in ("gate", "symbol", "n", "mean")}
    symbols = sorted(set(tokens[inside].tolist()))
    for name, values in gates.items():
        for symbol in symbols:
            here = inside & (tokens == symbol)
            table["gate"].append(name)
            table["symbol"].append(symbol)
            table["n"].append(int(here.sum()))
            table["mean"].append(rounded(float(values[here].mean())))
    return table


def _histogram(gates: dict[str, Tensor], inside: Tensor) -> Part:
    edges = np.linspace(0, 1, BINS + 1)
    table: Part = {name: [] for name in ("gate", "left", "share")}
    for name, values in gates.items():
        counts, _ = np.histogram(values[inside].numpy(), edges)
        table["gate"] += [name] * BINS
        table["left"] += [rounded(value) for value in edges[:-1].tolist()]
        table["share"] += [rounded(value) for value in (counts / counts.sum()).tolist()]
    return table


def _trace(gates: dict[str, Tensor], batch: Batch, inside: Tensor, names: Sequence[str] | None) -> Part:
    """Return the gates of the first sequence by step and unit, with its inputs: a token, or the vector's numbers."""
    steps = min(int(inside[:, 0].sum()), _MOST_STEPS)
    read = batch.inputs[:steps, 0]
    if names is not None and not read.is_floating_point():
        words = [names[token] for token in read.tolist()]
    else:
        words = [" ".join(f"{value:.2g}" for value in np.ravel(one)) for one in read.numpy()]
    table: Part = {"step": [], "read": [], "unit": []} | {f"{name}_gate": [] for name in gates}
    units = min(next(iter(gates.values())).shape[2], _MOST_UNITS)
    for step in range(steps):
        table["step"] += [step] * units
        table["read"] += [words[step]] * units
        table["unit"] += list(range(units))
        for name, values in gates.items():
            table[f"{name}_gate"] += [float(f"{value:.3g}") for value in values[step, 0, :units].tolist()]
    return table
