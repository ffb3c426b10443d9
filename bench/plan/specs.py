"""The shortest spelling of a study's specs, in which they are compared and stored."""

from collections.abc import Callable
from typing import Any

from longlag import registry
from longlag.tasks.support.errors import UsageError
from longlag.values.wiring import NO_DECODER

SPELLED: dict[str, Callable[[str], Any]] = {
    "task": registry.task,
    "cell": registry.cell,
    "clip": registry.clip,
    "optimizer": registry.optimizer,
    "schedule": registry.schedule,
    "decoder_cell": registry.cell,
}
"""The function that reads a spec of each kind."""


def shortest_axis(kind: str, specs: tuple[str, ...], where: str = "") -> tuple[str, ...]:
    """Return the specs of an axis in their shortest spelling.

    Args:
        kind: A key of `SPELLED`.
        specs: The specs as they were given.
        where: The beginning of a message: ``mine.toml: grids 1: ``.

    Raises:
        UsageError: A spec is refused, or two mean the same.
    """
    given: dict[str, str] = {}
    for spec in specs:
        short = shortest_spec(kind, spec, where)
        if short in given:
            raise UsageError(f"{where}{kind} {spec!r} is given twice, before as {given[short]!r}")
        given[short] = spec
    return tuple(given)


def shortest_spec(kind: str, spec: str, where: str = "") -> str:
    """Return a spec in its shortest spelling.

    Raises:
        UsageError: The spec is refused; the message begins with ``where``.
    """
    if kind == "decoder_cell":
        if spec == NO_DECODER:
            return spec
        where += "decoder_cell: "
    try:
        return str(SPELLED[kind](spec).spec)
    except UsageError as error:
        raise UsageError(f"{where}{error}") from None
