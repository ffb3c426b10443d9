"""The work of a network on a batch of sequences, in counts, from which plans estimate time and memory."""

from dataclasses import dataclass

from longlag.cells.base import Cell
from longlag.networks.layers import Layers
from longlag.scans.find import kernel_module


@dataclass(frozen=True)
class Sequences:
    """The properties of a task's batches that decide the work.

    Attributes:
        length: Time steps of a sequence.
        scored: The share of steps that are scored.
        ends: The number of different steps at which an encoder stops reading the sequences of a batch.
    """

    length: int
    scored: float
    ends: int = 1


@dataclass(frozen=True)
class Work:
    """The work over a part of each sequence, of a whole network, an encoder or a decoder.

    Attributes:
        steps: Time steps.
        products: Multiplications and additions in products, per step and sequence.
        between: Numbers passed from layer to layer in addition to those of a plain stack, per step and sequence.
        scans: Layers, each direction counted.
        kept: Numbers of a layer that are kept for the backward pass, per step and sequence.
        seen: Inputs of all layers, per step and sequence; 0 in a plain stack.
        outputs: Numbers of the readout, per step and sequence.
        numbers: Numbers that scans compute one by one, per step and sequence.
        fused: Whether kernels run the scans.
        calls: Gates of all scans, each of which costs a call of torch per step if no kernel runs.
        pieces: Runs of each scan, one for each different length of the batch's sequences; 0 in a plain stack.
        projected: Columns of the input projection, if torch computes a scan's inputs from it; otherwise 0.
        modules: Layers of a module that torch runs over whole sequences.
    """

    steps: float
    products: float
    between: int
    scans: int
    kept: int
    seen: int
    outputs: float = 0.0
    numbers: int = 0
    fused: bool = False
    calls: int = 0
    pieces: int = 0
    projected: int = 0
    modules: int = 0


@dataclass(frozen=True)
class OneLayer:
    """The work of a layer per step and sequence, in one direction, without its input projection.

    Attributes:
        gates: Blocks of its input projection.
        numbers: See `Work`.
        kept: See `Work`.
        projected: See `Work`.
        fused: See `Work`.
    """

    gates: int
    numbers: int
    kept: int
    projected: int = 0
    fused: bool = False


def of_cell(cell: Cell, hidden_size: int) -> OneLayer:
    """Return the work of a layer of a cell."""
    gates, states = len(cell.gates), len(cell.states)
    more = cell.state_count(hidden_size) - hidden_size * states  # beyond one number a unit
    return OneLayer(
        gates=gates,
        numbers=hidden_size * gates + more,
        kept=hidden_size * (gates + states) + more,
        projected=sum(cell.gate_widths(hidden_size).values()) if more else 0,
        fused=cell.standard and kernel_module(cell) is not None,
    )


def of_module(hidden_size: int) -> OneLayer:
    """Return a lower bound of the work of a module's layer, whose size is unknown: one gate and one state."""
    return OneLayer(gates=1, numbers=hidden_size, kept=2 * hidden_size)


def of_layers(
    layers: Layers, each: OneLayer, steps: float, outputs: float = 0.0, pieces: int = 1, plain: bool = False
) -> Work:
    """Return the work of layers.

    Args:
        layers: The layers.
        each: The work of one of them.
        steps: See `Work`.
        outputs: See `Work`.
        pieces: See `Work`; given for plain stacks, too.
        plain: Whether the network is a plain stack.
    """
    sizes = [size for _, size in layers.scans]
    read = sum(sizes[len(layers.wiring.directions) :])  # the first layer's are often tokens
    into_layers = layers.hidden_size * each.gates * (read + layers.hidden_size * len(sizes))
    return Work(
        steps=steps,
        products=2 * into_layers + 2 * layers.width * outputs,
        between=0 if plain else layers.width * layers.wiring.layers,
        scans=len(sizes),
        kept=each.kept,
        seen=0 if plain else sum(sizes),
        outputs=outputs,
        numbers=each.numbers * len(sizes),
        fused=each.fused,
        calls=each.gates * len(sizes),
        pieces=0 if plain else pieces,
        projected=each.projected,
    )
