"""Finds tasks, cells, clips and optimisers by name; the directories are the lists.

Names come from file names, without importing anything; a class is imported when it is asked for.
"""

import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tasks.options import Configurable, UsageError, near, split_spec

if TYPE_CHECKING:
    from bench.cells.base import Cell
    from bench.clips.base import Clip
    from bench.optimisers import Optimiser, Schedule
    from tasks.base import Task

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = {"task": "tasks", "cell": "bench/cells", "clip": "bench/clips"}
_NOT_LISTED = {"__init__", "base", "options"}


def names(kind: str) -> list[str]:
    """List the names of a kind (``task``, ``cell``, ``clip``), sorted, without importing them."""
    files = (_ROOT / _FOLDERS[kind]).glob("*.py")
    return sorted(file.stem for file in files if file.stem not in _NOT_LISTED)


@cache
def find(kind: str, name: str) -> type:
    """Import the one concrete class of a file.

    Raises:
        UsageError: There is no such name.
    """
    known = names(kind)
    if name not in known:
        raise _unknown(kind, name, known)
    module = importlib.import_module(f"{_FOLDERS[kind].replace('/', '.')}.{name}")
    classes = [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__ and not inspect.isabstract(found) and hasattr(found, "from_texts")
    ]
    assert len(classes) == 1, f"{module.__name__} must define exactly one {kind}, not {len(classes)}"
    return classes[0]


def _unknown(kind: str, name: str, known: list[str]) -> UsageError:
    return UsageError(f"no {kind} is called {name!r}{near(name, known) or '; there are ' + ', '.join(known)}")


def _configured(kind: str, spec: str) -> Any:
    name, given = split_spec(spec, kind)
    return find(kind, name).from_texts(given)  # type: ignore[attr-defined]


@cache
def task(spec: str) -> "Task":
    """Make the task of a spec such as ``copy:blanks=50``."""
    return cast("Task", _configured("task", spec))


@cache
def cell(spec: str) -> "Cell":
    """Make the cell of a spec such as ``lstm:forget_bias=1``."""
    return cast("Cell", _configured("cell", spec))


@cache
def clip(spec: str) -> "Clip":
    """Make the clipping setting of a spec such as ``norm:1``."""
    name, *given = spec.strip().split(":")
    return cast("Clip", find("clip", name).from_texts(given))  # type: ignore[attr-defined]


def _from_module(kind: str, classes: "tuple[type[Configurable], ...]", spec: str) -> Configurable:
    name, given = split_spec(spec, kind)
    known = {found.name(): found for found in classes}
    if name not in known:
        raise UsageError(
            f"no {kind} is called {name!r}{near(name, known) or '; there are ' + ', '.join(sorted(known))}"
        )
    return known[name].from_texts(given)


@cache
def optimizer(spec: str) -> "Optimiser":
    """Make the optimiser of a spec such as ``sgd:momentum=0.9``."""
    from bench.optimisers import OPTIMISERS

    return cast("Optimiser", _from_module("optimizer", OPTIMISERS, spec))


@cache
def schedule(spec: str) -> "Schedule":
    """Make the learning-rate schedule of a spec such as ``warmup:updates=100``."""
    from bench.optimisers import SCHEDULES

    return cast("Schedule", _from_module("schedule", SCHEDULES, spec))
