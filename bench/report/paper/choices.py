"""Reads the choices of a paper from one file, such as ``paper.toml``."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longlag.plan.grid import checked_name
from longlag.report.paper.bundle import Part
from longlag.report.paper.figures import FORMATS, Wanted
from longlag.report.paper.selection import AXIS_COLUMNS, Selection, read_looks
from longlag.report.paper.styles import style_of
from longlag.tasks.support.errors import UsageError, near

_SHARED = ("style", "width", "usetex", "title", "formats", "labels", "looks")
_OF_PART = ("study", "folder", "figures", "columns", "group", "only", *_SHARED)
_TEXT, _FLAG, _LIST, _TABLE = (str, "text"), (bool, "true or false"), (list, "a list"), (dict, "a table")
_KINDS: Mapping[str, tuple[type, str]] = {
    "style": _TEXT, "width": _TEXT, "usetex": _FLAG, "title": _FLAG, "formats": _LIST, "labels": _TABLE,
    "looks": _TEXT, "study": _TEXT, "folder": _TEXT, "figures": _LIST, "columns": _LIST, "group": _TEXT,
    "only": _TABLE, "out": _TEXT, "parts": _LIST,
}  # fmt: skip


def read_choices(path: Path) -> tuple[list[Part], Path]:
    """Read the parts of a paper and the paper's folder.

    Returns:
        The parts; and the folder ``out``, relative to the file.

    Raises:
        UsageError: The file cannot be read, or has an unknown name or a wrong value.
    """
    try:
        choices: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--manifest {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--manifest {path} is not TOML: {error}") from None
    _check(path, choices, ("out", "parts", *_SHARED))
    parts = choices.get("parts", [])
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise UsageError(f"--manifest {path} has no parts: write [[parts]] and study = NAME below")
    shared = {name: choices[name] for name in _SHARED if name in choices}
    return [_part(path, shared | part, part) for part in parts], path.parent / choices.get("out", "paper")


def _check(path: Path, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name, value in table.items():
        if name not in known:
            keys = ", ".join(known)
            raise UsageError(f"--manifest {path}: no key {name!r}{near(name, known)}; there are {keys}")
        if not isinstance(value, _KINDS[name][0]):
            raise UsageError(f"--manifest {path}: {name} must be {_KINDS[name][1]}, not {value!r}")


def _part(path: Path, choices: Mapping[str, Any], own: Mapping[str, Any]) -> Part:
    _check(path, own, _OF_PART)
    if "study" not in choices:
        raise UsageError(f"--manifest {path}: a part needs study = NAME")
    axes = choices.get("only", {})
    for axis in axes:
        if axis not in AXIS_COLUMNS:
            names = ", ".join(AXIS_COLUMNS)
            raise UsageError(
                f"--manifest {path}: no axis is called {axis!r}{near(axis, AXIS_COLUMNS)}; there are {names}"
            )
    values = {axis: tuple(map(str, some if isinstance(some, list) else [some])) for axis, some in axes.items()}
    style = style_of(
        choices.get("style", "plain"),
        choices.get("width", "column"),
        choices.get("usetex", False),
        choices.get("title"),
    )
    looks = read_looks(path.parent / choices["looks"]) if "looks" in choices else {}
    labels = tuple((str(spec), str(text)) for spec, text in choices.get("labels", {}).items())
    return Part(
        choices["study"],
        Selection(values, labels, looks),
        Wanted(style, choices.get("figures", []), choices.get("formats", FORMATS)),
        choices.get("columns", []),
        choices.get("group", "task"),
        checked_name(choices["folder"]) if "folder" in choices else "",
    )
