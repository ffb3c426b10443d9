"""Context managers that change the program on purpose, in this process only.

Changed kernels are compiled anew and never kept on disk, where a later run could load them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import longlag.training.cohort
import longlag.training.update
from longlag.cells.base import Cell
from longlag.cells.lstm import Lstm
from longlag.cells.rnn import Rnn
from longlag.clips.base import row_norms
from longlag.clips.norm import ClipNorm
from longlag.networks import recurrent
from longlag.networks.layered import Layered
from longlag.process.state import replaced
from longlag.tasks.base import Batch
from longlag.tasks.copy import Copy
from longlag.training.blocks import Block
from longlag.training.clip_audit import Ledger
from longlag.values.trial import Trial

# Clipping


@contextmanager
def clip_first() -> Iterator[None]:
    """Clip before the backward pass, which then overwrites the clipped gradient: a common mistake."""

    def step(cohort: longlag.training.cohort.Cohort) -> None:
        cohort.update += 1
        cohort.ledger.start()
        cohort._clip()
        cohort._backward()
        cohort._step()

    with replaced(longlag.training.update.Matrices, "step", step):
        yield


@contextmanager
def clip_jointly() -> Iterator[None]:
    """Clip the stacked gradients by one norm, as `torch.nn.utils.clip_grad_norm_` does."""

    def clip(cohort: longlag.training.cohort.Cohort) -> None:
        for block in cohort.blocks:
            rows = cohort.gradients[block.rows]
            if isinstance(block.clip, ClipNorm) and (joint := row_norms(rows).norm()) > block.clip.max_norm:
                rows.mul_(block.clip.max_norm / joint)

    with replaced(longlag.training.update.Matrices, "_clip", clip):
        yield


@contextmanager
def without_the_ledger(inner: Callable[[], Any]) -> Iterator[None]:
    """Apply a change with the ledger's audits off, so that only outcomes can reveal it."""

    def taken(ledger: Ledger, block: Block, gradients: Tensor) -> None:
        before(ledger, block, gradients)
        ledger.noted[-1][block.rows] = row_norms(gradients).unsqueeze(1)
        ledger.broken[-1].zero_()

    with inner(), replaced(Ledger, "taken", taken) as before:
        yield


# Initial values


@contextmanager
def _initial(cell: type[Cell], change: Callable[[Any, dict[str, np.ndarray]], None]) -> Iterator[None]:
    def initialise(self: Any, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        before(self, values, generator)
        change(self, values)

    with replaced(cell, "initialise", initialise) as before:
        yield


def forget_bias(value: float) -> Any:
    """Start the forget gate of the LSTM from another bias."""

    def change(cell: Lstm, values: dict[str, np.ndarray]) -> None:
        values["bias"].reshape(4, -1)[1] = value

    return _initial(Lstm, change)


def small_identity() -> Any:
    """Scale the identity that recurrent weights start from by a half."""

    def change(cell: Rnn, values: dict[str, np.ndarray]) -> None:
        if cell.init == "identity":
            values["recurrent_weight"] *= 0.5

    return _initial(Rnn, change)


@contextmanager
def permuted_units() -> Iterator[None]:
    """Put a layer's units in reverse order: the same network, whose sums round differently."""

    def initial_weights(cell: Cell, inputs: int, size: int, *names: str | int) -> dict[str, np.ndarray]:
        values = before(cell, inputs, size, *names)
        turned = {name: _units_reversed(value, size) for name, value in values.items()}
        return turned | {"recurrent_weight": turned["recurrent_weight"][::-1].copy()}

    def stream_of(self: Any, seed: int) -> np.ndarray:
        row: np.ndarray = row_before(self, seed)
        weight = self.layout.arrays(row)["readout.weight"]
        weight[...] = weight[::-1].copy()
        return row

    with (
        replaced(Cell, "initial_weights", initial_weights) as before,
        replaced(Layered, "initial_row", stream_of) as row_before,
    ):
        yield


def _units_reversed(value: np.ndarray, size: int) -> np.ndarray:
    blocks = value.reshape(*value.shape[:-1], -1, size)
    return blocks[..., ::-1].reshape(value.shape).copy()


# Data


@contextmanager
def missing_cue() -> Iterator[None]:
    """Leave the marker out of one training sequence in three."""

    def draw(task: Copy, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        batch: Batch = before(task, generator, batch_size, held_out)
        if not held_out:
            without = torch.from_numpy(generator.random(batch_size) < 1 / 3)
            batch.inputs[(batch.inputs == task.symbols + 1) & without] = task.symbols
        return batch

    with replaced(Copy, "draw", draw) as before:
        yield


# The backward pass


@contextmanager
def planted_kernels(kernels: Mapping[str, type]) -> Iterator[None]:
    """Train cells with kernels whose backward pass is changed; forward passes and evaluations stay the same.

    Args:
        kernels: By cell name, a class derived from the cell's kernel.
    """
    from longlag.scans.engine import layer

    planted = tuple(kernels.values())

    def kernel_for(cell: Cell) -> Any:
        return kernels[cell.name()]() if cell.name() in kernels else before(cell)

    def scan_forward(kernel: Any, *others: Any) -> None:
        real_forward(type(kernel).__mro__[1]() if isinstance(kernel, planted) else kernel, *others)

    def scan_backward(kernel: Any, *others: Any) -> None:
        (_unkept_backward() if isinstance(kernel, planted) else real_backward)(kernel, *others)

    with (
        replaced(recurrent, "kernel_for", kernel_for) as before,
        replaced(layer, "scan_forward", scan_forward) as real_forward,
        replaced(layer, "scan_backward", scan_backward) as real_backward,
    ):
        yield


@cache
def _unkept_backward() -> Any:
    """Return the unchanged backward pass, whose compiled code for a kernel is not kept on disk."""
    import numba

    from longlag.scans.engine.compiler import FLAGS
    from longlag.scans.engine.scan import scan_backward

    return numba.njit(**FLAGS)(scan_backward.py_func)


def swapped_gates() -> Any:
    """Swap the gradients of two gates: input and forget gate of the LSTM, reset and update gate of the GRU."""
    return planted_kernels(_with_swapped_gates())


@cache
def _with_swapped_gates() -> dict[str, type]:
    from longlag.scans.kernels import gru, lstm

    lstm_backward, gru_backward = _inlined(lstm.Lstm.backward), _inlined(gru.Gru.backward)

    class SwappedLstm(lstm.Lstm):
        @staticmethod
        def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
            (a_i, a_f, a_g, a_o), beside, earlier, own = lstm_backward(grads, kept, apart, before, after, vectors)
            return (a_f, a_i, a_g, a_o), beside, earlier, own

    class SwappedGru(gru.Gru):
        @staticmethod
        def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
            (a_r, a_z, a_n), beside, earlier, own = gru_backward(grads, kept, apart, before, after, vectors)
            return (a_z, a_r, a_n), beside, earlier, own

    return {"lstm": SwappedLstm, "gru": SwappedGru}


def flat_tanh() -> Any:
    """Take the slope of tanh for 1 in the plain network."""
    return planted_kernels(_with_flat_tanh())


@cache
def _with_flat_tanh() -> dict[str, type]:
    from longlag.scans.kernels import rnn

    class FlatTanh(rnn.Tanh):
        @staticmethod
        def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
            zero = type(after[0])(0)
            return (grads[0],), (), (zero,), ()

    return {"rnn": FlatTanh}


def _inlined(function: Callable[..., Any]) -> Any:
    from longlag.scans.engine.compiler import inlined

    return inlined(function)


@contextmanager
def early_steps_dropped() -> Iterator[None]:
    """Drop the part of the first quarter of the time steps from the gradients."""
    from longlag.networks import straight
    from longlag.scans.engine import layer

    def scan_backward(kernel: Any, chunk: Any, *others: Any) -> None:
        before(kernel, chunk, *others)
        early = chunk.gates.shape[1] // 4
        chunk.gates[:, :early] = 0
        chunk.apart[:, :early] = 0

    with replaced(layer, "scan_backward", scan_backward) as before, replaced(straight, "scan_backward", scan_backward):
        yield


# Company


def reordered() -> Any:
    """Train the trials of a cohort in the opposite order."""
    before = longlag.training.cohort.Cohort
    return replaced(longlag.training.cohort, "Cohort", lambda trials, *others: before(trials[::-1], *others))


@contextmanager
def one_by_one() -> Iterator[None]:
    """Train every trial of a cohort alone."""

    def train(trials: Sequence[Trial], *others: Any) -> None:
        for trial in trials:
            before([trial], *others)

    with replaced(longlag.training.cohort, "train", train) as before:
        yield
