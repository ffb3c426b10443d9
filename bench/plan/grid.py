"""The axes of a study: the product of a few settings, each value checked before anything is trained.

Needs no heavy library: specs are words here; that they name something is checked where trials are made.
"""

import math
import re
import reprlib
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, cast

from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell
from longlag.values.trial import Trial
from longlag.values.wiring import DIRECTIONS, MOST_LAYERS, NO_DECODER, NORMALISATIONS, SKIPS, Wiring

SPECS = ("task", "cell", "clip", "optimizer")
WIRING = tuple(item.name for item in fields(Wiring))
AXES = (*SPECS, *WIRING, "lr", "truncate")
"""What a grid spans; everything else but the seeds has one value in it."""
STUDY_FILE = ".toml"
"""How the files of studies end."""
_RESERVED = ("reference", "perf")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_SEED = 2**32 - 1
_LARGEST_FLOAT = sys.float_info.max
LARGEST_HIDDEN_SIZE = 16_384

_WHOLE = {
    "updates": (1, 10_000_000),
    "eval_every": (1, 10_000_000),
    "batch_size": (1, 65_536),
    "hidden_size": (1, LARGEST_HIDDEN_SIZE),
    "layers": (1, MOST_LAYERS),
    "decoder_layers": (1, MOST_LAYERS),
    "match_target": (1, 10**12),
}
_MOST_SEEDS = 10_000
_LONGEST_LAG = 10_000_000
_LONGEST_CHUNK = 10_000_000
_CHOICES = {
    "dtype": ("float32", "float64"),
    "device": ("cpu", "cuda"),
    "match": ("hidden", "parameters", "state"),
    "skip": tuple(SKIPS),
    "direction": tuple(DIRECTIONS),
    "normalisation": tuple(NORMALISATIONS),
}

Label = Callable[[str], str]
"""Says where a key was read: ``quick.toml: grids 1: lr`` or ``--lr``."""


@dataclass(frozen=True)
class Grid:
    """The product of `AXES` and seeds; an empty ``lr`` leaves it to the study's rates.

    ``truncate`` is 0 where sequences are left whole. ``eval_every`` None means as usual, or once at the end where the
    budget is smaller than that. A decoder has one layer where ``decoder_layers`` is empty. With a ``match`` each
    network's hidden size is the one that brings it nearest to ``match_target`` (`longlag.plan.sizes`).
    """

    task: tuple[str, ...]
    cell: tuple[str, ...]
    clip: tuple[str, ...] = ("none",)
    optimizer: tuple[str, ...] = (Trial.optimizer,)
    lr: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    updates: int = Trial.updates
    eval_every: int | None = None
    batch_size: int = Trial.batch_size
    hidden_size: int = Trial.hidden_size
    layers: tuple[int, ...] = (Trial.layers,)
    skip: tuple[str, ...] = (Trial.skip,)
    direction: tuple[str, ...] = (Trial.direction,)
    normalisation: tuple[str, ...] = (Trial.normalisation,)
    dropout: tuple[float, ...] = (Trial.dropout,)
    decoder_cell: tuple[str, ...] = (Trial.decoder_cell,)
    decoder_layers: tuple[int, ...] = ()
    truncate: tuple[int, ...] = (Trial.truncate,)
    schedule: str = Trial.schedule
    weight_decay: float = Trial.weight_decay
    dtype: str = Trial.dtype
    device: str = Trial.device
    match: str | None = None
    match_target: int | None = None
    test_lags: tuple[int, ...] = ()

    @property
    def evaluation_interval(self) -> int:
        """Updates between evaluations."""
        return min(Trial.eval_every, self.updates) if self.eval_every is None else self.eval_every

    def size(self) -> int:
        """Trials in the product, each without a rate counted once."""
        return math.prod(len(getattr(self, axis)) or 1 for axis in (*AXES, "seeds"))

    def wirings(self) -> tuple[Wiring, ...]:
        """Return the ways to join layers, each once: with one layer there is nothing between layers."""
        values = {name: getattr(self, name) for name in WIRING} | {"decoder_layers": self.decoder_layers or (1,)}
        found = (Wiring(*chosen) for chosen in product(*values.values()))
        return tuple(dict.fromkeys((wiring if wiring.decodes else wiring.encoder).reduced for wiring in found))


KEYS = tuple(item.name for item in fields(Grid))


def option_label(key: str) -> str:
    """Return how the command line calls a key: ``--hidden-size``."""
    return f"--{key.replace('_', '-')}"


def checked_name(name: str) -> str:
    """Return a study's name if it may name a folder.

    Raises:
        UsageError: It may not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a study: 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"
        )
    if name.endswith(STUDY_FILE):
        raise UsageError(f"{name!r} cannot name a study: {STUDY_FILE} is how their files end")
    if name.lower() in _RESERVED:
        raise UsageError(f"{name!r} cannot name a study: the name is reserved")
    return name


def checked(values: Mapping[str, object], label: Label) -> dict[str, Any]:
    """Check what a grid's keys were given; a single value stands for a list of one.

    Raises:
        UsageError: A key is unknown, or a value is of the wrong type, out of range or given twice.
    """
    return {key: _checked(key, value, label(key)) for key, value in values.items()}


def known_keys(values: Mapping[str, object], keys: tuple[str, ...], where: str) -> None:
    """Refuse keys that are not among those named.

    Raises:
        UsageError: One is not.
    """
    for key in values:
        if key not in keys:
            raise UsageError(f"{where}: no key {key!r}{near(key, keys) or '; there are ' + ', '.join(keys)}")


def check_interval(grid: Grid, label: Label) -> None:
    """Refuse a grid that would never be evaluated within its budget.

    Raises:
        UsageError: The interval is longer than the budget.
    """
    if grid.evaluation_interval > grid.updates:
        raise UsageError(f"{label('eval_every')} must be at most updates ({grid.updates}), not {grid.eval_every}")


def check_match(grid: Grid, given: Mapping[str, object], label: Label) -> None:
    """Refuse a match without its target, a target without its match, and a hidden size beside either.

    Args:
        grid: The grid.
        given: The keys that it was told, by name.
        label: Says where.

    Raises:
        UsageError: It is one of these.
    """
    if "hidden_size" in given and given.keys() & {"match", "match_target"}:
        raise UsageError(f"{label('match')} picks the hidden size: leave {label('hidden_size')} out")
    if grid.match is None and grid.match_target is not None:
        raise UsageError(f"{label('match_target')} needs {label('match')}: {', '.join(_CHOICES['match'])}")
    if grid.match is not None and grid.match_target is None:
        raise UsageError(f"{label('match')} needs {label('match_target')}, how much of it")


def check_wiring(grid: Grid, label: Label, given: Collection[str] = WIRING) -> None:
    """Refuse what acts between layers where every network of a grid has one layer.

    Args:
        grid: The grid.
        label: Says where a key was read.
        given: The keys that are looked at.

    Raises:
        UsageError: A setting could not act.
    """
    decodes = set(grid.decoder_cell) != {NO_DECODER}
    if not decodes and grid.decoder_layers:
        raise UsageError(f"{label('decoder_layers')} needs {label('decoder_cell')}, the cell of the decoder")
    between = [item for item in fields(Wiring) if item.name in ("skip", "normalisation", "dropout")]
    for item in between if max(grid.layers + grid.decoder_layers * decodes) == 1 else ():
        if item.name in given and set(getattr(grid, item.name)) != {item.default}:
            raise UsageError(f"{label(item.name)} acts between layers: it needs {label('layers')} of 2 or more")


def number(value: object, label: str, low: float = 0.0, above: bool = False) -> float:
    """Return a finite number of at least, or above, ``low``.

    Raises:
        UsageError: It is something else.
    """
    right = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= _LARGEST_FLOAT
    if not right or (above and value == low):
        rule = f"a finite number {'above' if above else 'of at least'} {spell(low)}"
        raise UsageError(f"{label} must be {rule}, not {_shown(value)}")
    return float(cast(float, value))


def word(value: object, label: str) -> str:
    """Return a text that is not empty and has one line.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UsageError(f"{label} must be one line of text, not {_shown(value)}")
    return value.strip()


def _checked(key: str, value: object, label: str) -> Any:
    if key in AXES:
        return _axis(value, label, lambda item: _checked_value(key, item, label))
    if key == "test_lags":
        return tuple(sorted(_axis(value, label, lambda item: _whole(item, label, 1, _LONGEST_LAG))))
    return _seeds(value, label) if key == "seeds" else _checked_value(key, value, label)


def _checked_value(key: str, value: object, label: str) -> Any:
    if key == "truncate":
        return _chunk(value, label)
    if key in _WHOLE:
        return _whole(value, label, *_WHOLE[key])
    if key in ("lr", "weight_decay"):
        return number(value, label, above=key == "lr")
    if key == "dropout":
        return _share(value, label)
    return _chosen(value, label, _CHOICES[key]) if key in _CHOICES else word(value, label)


def _chosen(value: object, label: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        offer = near(value, choices) if isinstance(value, str) else ""
        words = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise UsageError(f"{label} must be {words}, not {_shown(value)}{offer}")
    return value


def _share(value: object, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{label} must be a number from 0 to below 1, not {_shown(value)}")
    return float(value)


def _axis(value: object, label: str, read: Callable[[object], Any]) -> tuple[Any, ...]:
    found = [read(item) for item in (value if isinstance(value, list | tuple) else [value])]
    if not found:
        raise UsageError(f"{label} must have at least one value")
    for item, count in Counter(found).items():
        if count > 1:
            raise UsageError(f"{label} has {item if isinstance(item, str) else spell(item)} twice")
    return tuple(found)


def _seeds(value: object, label: str) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        if len(value) > _MOST_SEEDS:
            raise UsageError(f"{label} must have at most {_MOST_SEEDS} values, not {len(value)}")
        return _axis(value, label, lambda item: _whole(item, label, 0, _LARGEST_SEED))
    return tuple(range(_whole(value, label, 1, _MOST_SEEDS)))


def _chunk(value: object, label: str) -> int:
    """Read the steps of a chunk; 0 where sequences are left whole, which is written ``none``."""
    if value == "none":
        return 0
    found = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= _LONGEST_CHUNK:
        raise UsageError(f"{label} must be none or a whole number from 1 to {_LONGEST_CHUNK}, not {_shown(value)}")
    return found


def _whole(value: object, label: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{label} must be a whole number from {low} to {high}, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**30:  # Python refuses to write the longest ones
        return "a number of more than 30 digits"
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
