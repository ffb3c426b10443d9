"""Measures what cells cost: parameters, state, and the time and memory of one trial's gradient on its usual path."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from longlag import registry
from longlag.checks.cost import passes
from longlag.networks.build import network_for
from longlag.networks.protocol import AnyNetwork
from longlag.perf.measure import in_turns
from longlag.perf.memory import gradient_bytes
from longlag.process.state import arithmetic
from longlag.tasks.base import Task

REFERENCE = "lstm"
_PROCESSES = 3


@dataclass(frozen=True)
class Workload:
    """The sizes at which cells are measured: one layer on the adding task, whose inputs are two numbers a time step."""

    length: int
    batch_size: int
    hidden_size: int

    def __str__(self) -> str:
        return f"adding, T = {self.length}, batch {self.batch_size}, {self.hidden_size} units, one trial, float32"


@dataclass(frozen=True)
class Cost:
    """The cost of one cell.

    Attributes:
        cell: The cell's spec.
        path: ``fused`` or ``readable``.
        parameters: Trainable numbers of the layer, without the readout.
        state_size: Numbers carried from one time step to the next.
        seconds: Seconds of one forward and backward pass, for each round.
        reference_seconds: Seconds of the reference cell, timed just before in the same round.
        memory_bytes: How much the pass raises the peak memory of a process, in bytes; None if this system does not
            report it.
    """

    cell: str
    path: str
    parameters: int
    state_size: int
    seconds: tuple[float, ...]
    reference_seconds: tuple[float, ...]
    memory_bytes: int | None

    @property
    def ratios(self) -> list[float]:
        """The cell's time divided by the reference's, for each round."""
        return [ours / theirs for ours, theirs in zip(self.seconds, self.reference_seconds, strict=True)]

    def row(self, length: int) -> dict[str, object]:
        """Return the row of a table; ``step_us`` is microseconds for each time step of the whole batch.

        Args:
            length: Time steps of the sequences.
        """
        values = asdict(self)
        del values["seconds"], values["reference_seconds"]
        steps = [1e6 * one / length for one in self.seconds]
        of_reference = {
            "ratio": statistics.median(self.ratios),
            "ratio_low": min(self.ratios),
            "ratio_high": max(self.ratios),
        }
        spread = {"step_us": statistics.median(steps), "step_us_low": min(steps), "step_us_high": max(steps)}
        return values | spread | of_reference


def measure(specs: Sequence[str], workload: Workload, repeats: int) -> list[Cost]:
    """Measure cells in turns, each after the reference cell in every round; return their costs, fastest first.

    Args:
        specs: The cells, in their shortest spelling.
        workload: The sizes.
        repeats: The number of rounds.

    Raises:
        UsageError: A plugin's cell raised an error.
    """
    task = registry.task(f"adding:length={workload.length}")
    networks = {spec: network_for(registry.cell(spec), task, workload.hidden_size) for spec in (*specs, REFERENCE)}
    readout = (workload.hidden_size + 1) * task.output_size
    works = {spec: _work(spec, network, task, workload.batch_size) for spec, network in networks.items()}
    with arithmetic():
        columns = iter(in_turns([works[one] for spec in specs for one in (REFERENCE, spec)], repeats))
    costs = [
        Cost(
            cell=spec,
            path=networks[spec].path("cpu", "float32"),
            parameters=networks[spec].num_parameters - readout,
            state_size=networks[spec].state_size,
            reference_seconds=tuple(next(columns)),
            seconds=tuple(next(columns)),
            memory_bytes=_memory(spec, workload),
        )
        for spec in specs
    ]
    return sorted(costs, key=lambda cost: statistics.median(cost.ratios))


def _work(spec: str, network: AnyNetwork, task: Task, batch_size: int) -> Callable[[], object]:
    """Return the call to be timed, after calling it once, so that a faulty plugin is refused before any timing."""
    with registry.blamed("cell", registry.cell(spec).name()), arithmetic():
        work = passes(network, task, batch_size)
        work()
    return work


def _memory(spec: str, workload: Workload) -> int | None:
    """Return the median over a few processes, as allocators keep more or less memory from run to run."""
    files = [made.path for made in registry.used()]
    sizes = (workload.length, workload.batch_size, workload.hidden_size)
    measured = [gradient_bytes(spec, files, *sizes) for _ in range(_PROCESSES)]
    known = [one for one in measured if one is not None]
    return int(statistics.median(known)) if len(known) == len(measured) else None


def rows(costs: Sequence[Cost], workload: Workload) -> Iterator[dict[str, object]]:
    """Yield a table's row for each cell, with parameters and memory relative to the reference if that was measured."""
    of_reference = next((cost for cost in costs if cost.cell == REFERENCE), None)
    for cost in costs:
        yield cost.row(workload.length) | {
            "parameters_ratio": cost.parameters / of_reference.parameters if of_reference else None,
            "memory_ratio": _share(cost.memory_bytes, of_reference.memory_bytes if of_reference else None),
        }


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None
