"""Assembles the network of a trial and the rules of its backward pass."""

from math import inf, lcm

from longlag import registry
from longlag.architectures.base import Architecture, Shape
from longlag.cells.base import Cell
from longlag.cells.support.backbone import Backbone
from longlag.cells.support.module_cell import ModuleCell
from longlag.clips.guard import RECURRENT
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.networks.module_network import ModuleNetwork
from longlag.networks.protocol import AnyNetwork, SequenceNetwork
from longlag.networks.recurrent import Network
from longlag.networks.whole_network import WholeNetwork
from longlag.tasks.base import Task
from longlag.tasks.support.errors import UsageError
from longlag.values.backward import Backward
from longlag.values.trial import Trial
from longlag.values.wiring import ONE_LAYER, Wiring


def network_of(trial: Trial) -> AnyNetwork:
    """Return the network that a trial trains."""
    return network_for(registry.cell(trial.cell), registry.task(trial.task), trial.hidden_size, trial.wiring)


def network_for(backbone: Backbone, task: Task, hidden_size: int, wiring: Wiring = ONE_LAYER) -> AnyNetwork:
    """Return the network that fits a task's inputs and outputs.

    Args:
        backbone: The cell, or whole network.
        task: The task.
        hidden_size: Units of each layer.
        wiring: How its layers are joined.
    """
    if not wiring.decodes:
        return assembled(backbone, task.input_size, task.output_size, hidden_size, wiring, task.length)
    decoder = registry.cell(wiring.decoder_cell)
    assert isinstance(backbone, Cell), "check_decoder refuses others"
    assert isinstance(decoder, Cell), "check_decoder refuses others"
    return EncoderDecoder(backbone, decoder, task.input_size, task.output_size, hidden_size, wiring)


def assembled(
    backbone: Backbone, input_size: int, output_size: int, hidden_size: int, wiring: Wiring = ONE_LAYER, length: int = 1
) -> SequenceNetwork:
    """Return the network without a decoder, for sequences of up to ``length`` steps.

    Args:
        backbone: The cell, or whole network.
        input_size: The size of an input.
        output_size: The size of an output.
        hidden_size: Units of each layer.
        wiring: How its layers are joined.
        length: Steps of the longest sequence.
    """
    if isinstance(backbone, Architecture):
        bidirectional = wiring.direction == "bidirectional"
        return WholeNetwork(backbone, Shape(input_size, hidden_size, wiring.layers, length, bidirectional), output_size)
    if isinstance(backbone, ModuleCell):
        return ModuleNetwork(backbone, input_size, output_size, hidden_size, wiring)
    assert isinstance(backbone, Cell), f"{backbone.name()} is neither a cell nor a module nor an architecture"
    return Network(backbone, input_size, output_size, hidden_size, wiring)


def backward_of(trial: Trial) -> Backward:
    """Return the rules of a trial's backward pass, from its clip and its truncation."""
    clip = registry.clip(trial.clip)
    return Backward(clip.signal_limit, trial.truncate, clip.omega)


def width_step(trial: Trial) -> int:
    """Return the number that a trial's hidden size must be a multiple of."""
    cells = [trial.cell] + [trial.decoder_cell] * trial.wiring.decodes
    return lcm(*(registry.cell(spec).width_step for spec in cells))


def check_decoder(task: str, cell: str, clip: str, truncate: int, wiring: Wiring) -> None:
    """Check that a task and its cells support a decoder; without a decoder everything passes.

    Args:
        task: The task's spec.
        cell: The encoder's cell.
        clip: The clipping setting.
        truncate: Steps of a chunk of truncated backpropagation; 0 for none.
        wiring: How the layers are joined.

    Raises:
        UsageError: The task has no output sequence, a cell is a module or architecture, or the clip or the truncation
            acts inside a scan.
    """
    if not wiring.decodes:
        return
    what = f"decoder_cell {wiring.decoder_cell}"
    if not registry.task(task).output_sequence:
        raise UsageError(f"{what}: task {task} has no output sequence that a decoder could write, as reverse has")
    for role, spec in (("cell", cell), ("decoder_cell", wiring.decoder_cell)):
        if not isinstance(registry.cell(spec), Cell):
            rule = "encoder and decoder must be cells, with states at each step"
            raise UsageError(f"{what}: {rule}; {role} {spec} runs over whole sequences")
    made = registry.clip(clip)
    if made.signal_limit < inf or made.omega or truncate:
        acting = f"truncate {truncate}" if truncate else f"clip {clip}"
        raise UsageError(f"{what}: {acting} works within one scan, and an encoder-decoder's signal passes through two")


def check_backward(cell: str, clip: str, truncate: int) -> None:
    """Check that a cell supports a clip and a truncation in its backward pass.

    Raises:
        UsageError: The cell does not support one of them.
    """
    made, equations = registry.clip(clip), registry.cell(cell)
    if made.guards and not (isinstance(equations, Cell) and RECURRENT in equations.recurrent_shapes(1)):
        raise UsageError(f"clip {clip}: guard shrinks the tensor {RECURRENT}; cell {cell} has none of that name")
    if not (made.signal_limit < inf or made.omega or truncate):
        return
    if not isinstance(equations, Cell):
        what = f"truncate {truncate}" if truncate else f"clip {clip}"
        raise UsageError(f"{what} acts between a cell's steps; cell {cell} is a module, which runs whole sequences")
    if made.omega and not equations.recurrent_shapes(1):
        raise UsageError(f"clip {clip}: omega acts on recurrent weights; cell {cell} has none")
