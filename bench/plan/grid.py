"""The axes of a study: the product of a few settings, each value checked before anything is trained.

This module needs no heavy library: specs are only texts here, and are looked up where trials are made.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from longlag.tasks.support.errors import UsageError, near
from longlag.values.axes import AS_TRIAL, Axis
from longlag.values.rules import Rule, choice, several, whole
from longlag.values.trial import AXES
from longlag.values.wiring import NO_DECODER, Wiring

GIVEN: Mapping[str, Axis] = {axis.given_as or name: axis for name, axis in AXES.items() if axis.asked}
"""The axes that a user may give, by the keys of a grid."""
SPECS = ("task", "cell", "clip", "optimizer")
WIRING = tuple(item.name for item in fields(Wiring))
SPANNED = tuple(key for key, axis in GIVEN.items() if axis.spans)
"""The axes that a grid spans beside the seeds; every other axis has one value in it."""
OTHERS = tuple(key for key in SPANNED if key not in (*SPECS, *WIRING, "lr"))
STUDY_FILE = ".toml"
"""The suffix of study files."""
MATCHES = ("hidden", "parameters", "state")
_RESERVED = ("reference", "perf")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RULES: Mapping[str, Rule] = {
    key: several(axis.rule) if axis.spans else axis.rule for key, axis in GIVEN.items() if axis.rule is not None
} | {"match": choice(*MATCHES), "match_target": whole(1, 10**12)}

Label = Callable[[str], str]
"""Returns where a key was read, for messages: ``quick.toml: grids 1: lr`` or ``--lr``."""


def _field_of(key: str, axis: Axis) -> tuple[str, Any, Any]:
    """Return a grid's field for an axis: a tuple of values where the grid spans it."""
    unset = axis.unset
    if unset is AS_TRIAL:
        unset = (axis.default,) if axis.spans and axis.default is not MISSING else axis.default
    return key, tuple if axis.spans else axis.kind, field() if unset is MISSING else field(default=unset)


_Axes: Any = make_dataclass("_Axes", [_field_of(*item) for item in GIVEN.items()], frozen=True)


@dataclass(frozen=True)
class Grid(_Axes):  # type: ignore[misc]
    """The product of `SPANNED` and seeds, with a field for each of `GIVEN`.

    An empty ``lr`` takes the learning rates from the study's table. ``truncate`` is 0 where sequences are left whole.
    ``eval_every`` None stands for the usual interval, or for two evaluations where the budget is no larger than that. A
    decoder has one layer where ``decoder_layers`` is empty. With a ``match`` each network has the hidden size that
    brings it nearest to ``match_target`` (`longlag.plan.sizes`).
    """

    match: str | None = None
    match_target: int | None = None

    if TYPE_CHECKING:

        def __init__(self, *values: Any, **named: Any) -> None: ...

    def changed(self, **values: Any) -> "Grid":
        """Return the grid with other values in some fields."""
        return replace(self, **values)

    @property
    def evaluation_interval(self) -> int:
        """Updates between evaluations."""
        if self.eval_every is not None:
            return int(self.eval_every)
        usual = int(AXES["eval_every"].default)
        return usual if self.updates > usual else -(-self.updates // 2)

    def size(self) -> int:
        """Return the number of trials in the product; a setting without a learning rate counts once."""
        return math.prod(len(getattr(self, axis)) or 1 for axis in (*SPANNED, "seeds"))

    def wirings(self) -> tuple[Wiring, ...]:
        """Return the ways to join layers, each once: networks of one layer have nothing between layers."""
        values = {name: getattr(self, name) for name in WIRING} | {"decoder_layers": self.decoder_layers or (1,)}
        ways = (Wiring(*chosen) for chosen in product(*values.values()))
        return tuple(dict.fromkeys((wiring if wiring.decodes else wiring.encoder).reduced for wiring in ways))


KEYS = tuple(item.name for item in fields(Grid))


def option_label(key: str) -> str:
    """Return the command-line option of a key: ``--hidden-size``."""
    return f"--{key.replace('_', '-')}"


def checked_name(name: str) -> str:
    """Return a study's name if it may name a folder.

    Raises:
        UsageError: The name may not name a folder.
    """
    if not _NAME.fullmatch(name):
        rule = "1 to 64 letters (a to z, A to Z), digits, '.', '_' or '-', a letter or digit first"
        raise UsageError(f"{name!r} cannot name a study: {rule}")
    if name.endswith(STUDY_FILE):
        raise UsageError(f"{name!r} cannot name a study: it ends like a study file, in {STUDY_FILE}")
    if name.lower() in _RESERVED:
        raise UsageError(f"{name!r} cannot name a study: the name is reserved")
    return name


def checked(values: Mapping[str, object], label: Label) -> dict[str, Any]:
    """Check the values given to a grid's keys; a single value stands for a list of one.

    Raises:
        UsageError: A key is unknown, or a value is of the wrong type, out of range or given twice.
    """
    return {key: _RULES[key](value, label(key)) for key, value in values.items()}


def known_keys(values: Mapping[str, object], keys: tuple[str, ...], where: str) -> None:
    """Refuse unknown keys.

    Raises:
        UsageError: A key is not among ``keys``.
    """
    for key in values:
        if key not in keys:
            raise UsageError(f"{where}: no key {key!r}{near(key, keys) or '; there are ' + ', '.join(keys)}")


def check_interval(grid: Grid, label: Label) -> None:
    """Refuse a grid whose trials could never count as solved, which takes two evaluations in a row.

    Raises:
        UsageError: The budget is too small for two evaluations, or for two at the grid's interval.
    """
    if grid.updates < 2:
        raise UsageError(f"{label('updates')} must be at least 2, for two evaluations in a row, not {grid.updates}")
    if grid.evaluation_interval >= grid.updates:
        rule = f"below updates ({grid.updates}), for two evaluations in a row"
        raise UsageError(f"{label('eval_every')} must be {rule}, not {grid.eval_every}")


def check_match(grid: Grid, given: Mapping[str, object], label: Label) -> None:
    """Refuse a match without its target, a target without its match, and a hidden size beside either.

    Args:
        grid: The grid.
        given: The keys that were given.
        label: Returns where a key was read.

    Raises:
        UsageError: The grid has one of these faults.
    """
    if "hidden_size" in given and given.keys() & {"match", "match_target"}:
        raise UsageError(f"{label('match')} picks the hidden size: leave {label('hidden_size')} out")
    if grid.match is None and grid.match_target is not None:
        raise UsageError(f"{label('match_target')} needs {label('match')}: {', '.join(MATCHES)}")
    if grid.match is not None and grid.match_target is None:
        raise UsageError(f"{label('match')} needs {label('match_target')}, the number to match")


def check_wiring(grid: Grid, label: Label, given: Collection[str] = WIRING) -> None:
    """Refuse settings without effect: of a decoder that is missing, or between layers where there is only one.

    Args:
        grid: The grid.
        label: Returns where a key was read.
        given: The keys to check.

    Raises:
        UsageError: A setting would have no effect.
    """
    decodes = set(grid.decoder_cell) != {NO_DECODER}
    if not decodes and grid.decoder_layers:
        raise UsageError(f"{label('decoder_layers')} needs {label('decoder_cell')}, the cell of the decoder")
    between = [item for item in fields(Wiring) if item.name in ("skip", "normalisation", "dropout")]
    for item in between if max(grid.layers + grid.decoder_layers * decodes) == 1 else ():
        if item.name in given and set(getattr(grid, item.name)) != {item.default}:
            raise UsageError(f"{label(item.name)} acts between layers: it needs {label('layers')} of 2 or more")
