"""The choices of a paper in one file: ``paper.toml``."""

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
_KINDS: Mapping[str, type] = {
    "style": str, "width": str, "usetex": bool, "title": bool, "formats": list, "labels": dict, "looks": str,
    "study": str, "folder": str, "figures": list, "columns": list, "group": str, "only": dict, "out": str,
    "parts": list,
}  # fmt: skip


def read_choices(path: Path) -> tuple[list[Part], Path]:
    """Read what a paper has of which studies, and the folder that it goes to.

    Returns:
        The parts, and ``out``, beside the file.

    Raises:
        UsageError: The file cannot be read, or something in it is refused.
    """
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--manifest {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--manifest {path} is no TOML: {error}") from None
    _check(path, told, ("out", "parts", *_SHARED))
    parts = told.get("parts", [])
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise UsageError(f"--manifest {path} has no parts: write [[parts]] and study = NAME below")
    shared = {name: told[name] for name in _SHARED if name in told}
    return [_part(path, shared | part, part) for part in parts], path.parent / told.get("out", "paper")


def _check(path: Path, told: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name, value in told.items():
        if name not in known:
            there = ", ".join(known)
            raise UsageError(f"--manifest {path} has no {name!r}{near(name, known)}; there are {there}")
        if not isinstance(value, _KINDS[name]):
            raise UsageError(f"--manifest {path}: {name} is {value!r}, which is no {_KINDS[name].__name__}")


def _part(path: Path, told: Mapping[str, Any], own: Mapping[str, Any]) -> Part:
    _check(path, own, _OF_PART)
    if "study" not in told:
        raise UsageError(f"--manifest {path}: a part has no study")
    axes = told.get("only", {})
    for axis in axes:
        if axis not in AXIS_COLUMNS:
            there = ", ".join(AXIS_COLUMNS)
            raise UsageError(
                f"--manifest {path}: no axis is called {axis!r}{near(axis, AXIS_COLUMNS)}; there are {there}"
            )
    values = {axis: tuple(map(str, of if isinstance(of, list) else [of])) for axis, of in axes.items()}
    style = style_of(
        told.get("style", "plain"), told.get("width", "column"), told.get("usetex", False), told.get("title")
    )
    looks = read_looks(path.parent / told["looks"]) if "looks" in told else {}
    labels = tuple((str(spec), str(text)) for spec, text in told.get("labels", {}).items())
    return Part(
        told["study"],
        Selection(values, labels, looks),
        Wanted(style, told.get("figures", []), told.get("formats", FORMATS)),
        told.get("columns", []),
        told.get("group", "task"),
        checked_name(told["folder"]) if "folder" in told else "",
    )
