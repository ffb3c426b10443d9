"""What one gradient adds to the memory of a process, read from the operating system in a process of its own.

Nothing inside a process sees all of its memory: torch, NumPy and compiled code each have their own. The child is
forked from a server that has only loaded the libraries, does the work once at a tiny size, so that code is compiled and
loaded, and then at its full size: what counts is how far the resident memory rises above where it stood.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from longlag import registry
from longlag.checks.cost import passes
from longlag.networks.build import network_for, network_of
from longlag.process.state import arithmetic
from longlag.values.trial import Trial

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"
_PATIENCE_SECONDS = 300.0
PRELOADED = ("longlag.perf.memory", "longlag.scans.engine.stack", "longlag.networks.straight")
"""What the server of forked processes has loaded; it passes over in silence what it cannot import."""
_KIBIBYTE = 1024


def gradient_bytes(cell: str, plugins: list[str], length: int, batch_size: int, hidden_size: int) -> int | None:
    """Return the bytes that forward and backward pass of one trial add at their peak, on the adding task.

    Args:
        cell: The cell's spec.
        plugins: Files of plugins that it may come from.
        length: Time steps.
        batch_size: Sequences.
        hidden_size: Units.

    Returns:
        None where the system has no way to ask (it needs Linux), or the child does not answer.
    """
    return _measured(_of_cell, plugins, cell, length, batch_size, hidden_size)


def trial_bytes(trial: Trial, plugins: list[str], sequences: int) -> int | None:
    """Return the same of a trial's network on its own task.

    Args:
        trial: The trial; its batch size does not matter.
        plugins: Files that it needs.
        sequences: How many are in the batch: enough for the pages of a process to tell.
    """
    return _measured(_of_trial, plugins, trial, sequences)


def _measured(works: Callable[..., Iterator[Callable[[], object]]], plugins: list[str], *given: Any) -> int | None:
    if not _RESET.exists():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    mine, childs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(childs, works, plugins, given), daemon=True)
    child.start()
    childs.close()
    try:
        return int(mine.recv()) if mine.poll(_PATIENCE_SECONDS) else None
    except EOFError:
        return None
    finally:
        child.kill()
        child.join()


def _of_cell(cell: str, length: int, batch_size: int, hidden_size: int) -> Iterator[Callable[[], object]]:
    for steps, sequences in ((2, 1), (length, batch_size)):
        task = registry.task(f"adding:length={steps}")
        yield passes(network_for(registry.cell(cell), task, hidden_size), task, sequences)


def _of_trial(trial: Trial, sequences: int) -> Iterator[Callable[[], object]]:
    for size in (1, sequences):
        yield passes(network_of(trial), registry.task(trial.task), size)


def _measure(answer: Any, works: Callable[..., Iterator[Callable[[], object]]], plugins: list[str], given: Any) -> None:
    """Do the small work, then the full one, and answer by how much the latter raised the memory in use."""
    torch.set_num_threads(1)
    registry.use(plugins)
    with arithmetic():
        for work in works(*given):
            _RESET.write_text(_RESET_PEAK)
            before = _resident("VmRSS")
            work()
    answer.send(max(0, _resident("VmHWM") - before))


def _resident(name: str) -> int:
    """Return a line of the process's status in bytes: memory in use now, or its peak."""
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == f"{name}:") * _KIBIBYTE
