"""What a network has to do with a batch of sequences, in counts; what that takes is estimated by who plans."""

from dataclasses import dataclass

from longlag.cells.base import Cell
from longlag.networks.layers import Layers
from longlag.scans.find import kernel_module


@dataclass(frozen=True)
class Sequences:
    """What is known of a task's batches before one is trained on.

    Attributes:
        length: Time steps of a sequence.
        scored: Of these the share that is read out.
        ends: At how many different steps an encoder stops reading the sequences of a batch.
    """

    length: int
    scored: float
    ends: int = 1


@dataclass(frozen=True)
class Work:
    """What there is to do over a part of each sequence: by a whole network, or by an encoder, or its decoder.

    Attributes:
        steps: Time steps.
        products: Multiplications and additions in products, at a step of a sequence.
        between: Numbers that pass from layer to layer beside what a plain stack passes on, at a step of a sequence.
        scans: Layers, each direction counted.
        kept: Numbers of a layer that are kept for the way back, at a step of a sequence.
        seen: Numbers that all layers see where more lies between them than in a plain stack, at a step of a sequence.
        outputs: Numbers that are read out, at a step of a sequence.
        numbers: Numbers that scans compute one by one, at a step of a sequence.
        fused: Whether kernels run the scans.
        calls: Gates of all scans, which torch is called for at each step where no kernel runs them.
        pieces: Runs of each scan, from one end of a sequence of the batch to the next; none in a plain stack.
        projected: Columns of an input projection of which torch makes what is scanned; none where it is scanned itself.
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
    """What a layer does at a step of a sequence, in one direction, whatever it reads.

    Attributes:
        gates: Blocks of its input projection.
        numbers: As of `Work`.
        kept: As of `Work`.
        projected: As of `Work`.
        fused: As of `Work`.
    """

    gates: int
    numbers: int
    kept: int
    projected: int = 0
    fused: bool = False


def of_cell(cell: Cell, hidden_size: int) -> OneLayer:
    """Return what a layer of a cell does."""
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
    """Return what a layer of an unknown module does at least: one gate, and one state, whose size only a run tells."""
    return OneLayer(gates=1, numbers=hidden_size, kept=2 * hidden_size)


def of_layers(
    layers: Layers, each: OneLayer, steps: float, outputs: float = 0.0, pieces: int = 1, plain: bool = False
) -> Work:
    """Return what layers do.

    Args:
        layers: The layers.
        each: What one of them does.
        steps: As of `Work`.
        outputs: As of `Work`.
        pieces: As of `Work`, wherever they lie.
        plain: Whether they are, or belong to, nothing but a plain stack.
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
