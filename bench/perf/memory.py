"""Measures how much memory one gradient adds to a process, as the operating system reports it for a child process.

No counter inside a process covers all of its memory, as torch, NumPy and compiled code allocate separately. The child
is forked from a server that has only loaded the libraries. It does the work once at a tiny size, so that code is
compiled and loaded, and then at full size; the measure is how far the peak of its resident memory rises.
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
"""The modules that the server loads before it forks; the server ignores those that it cannot import."""
_KIBIBYTE = 1024


def gradient_bytes(cell: str, plugins: list[str], length: int, batch_size: int, hidden_size: int) -> int | None:
    """Return the peak memory, in bytes, that a forward and backward pass of one trial on the adding task adds.

    Args:
        cell: The cell's spec.
        plugins: Files of plugins that may define the cell.
        length: Time steps.
        batch_size: Sequences.
        hidden_size: Units.

    Returns:
        The bytes; None if the system does not report them (only Linux does), or if the child process failed.
    """
    return _measured(_of_cell, plugins, cell, length, batch_size, hidden_size)


def trial_bytes(trial: Trial, plugins: list[str], sequences: int) -> int | None:
    """Return the peak memory, in bytes, that a forward and backward pass of a trial's network on its own task adds.

    Args:
        trial: The trial, whose batch size is not used.
        plugins: Files of plugins that the trial needs.
        sequences: The batch size, large enough for memory to rise by many pages.

    Returns:
        The bytes; None if they are not known, as in `gradient_bytes`.
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
    """Do the small work, then the full one, and send the rise of the latter's peak above the memory in use."""
    torch.set_num_threads(1)
    registry.use(plugins)
    with arithmetic():
        for work in works(*given):
            _RESET.write_text(_RESET_PEAK)
            before = _resident("VmRSS")
            work()
    answer.send(max(0, _resident("VmHWM") - before))


def _resident(name: str) -> int:
    """Return a number of bytes from the status of this process: resident memory now, or its peak."""
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == f"{name}:") * _KIBIBYTE
