"""Reads studies from TOML files; the folder `STUDIES` holds the named ones that come with longlag."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longlag.plan.grid import (
    KEYS,
    STUDY_FILE,
    Grid,
    check_interval,
    check_match,
    check_wiring,
    checked,
    checked_name,
    known_keys,
)
from longlag.plan.lenses import checked_lenses
from longlag.plan.rates import Basis, Rate
from longlag.plan.study import Study
from longlag.tasks.support.errors import UsageError, near
from longlag.values.rules import choice, rate, spec, word

STUDIES = Path(__file__).resolve().parent / "studies"
_TOP = ("title", "tuning", "lenses", "grids", "rates")
_RATE = ("task", "cell", "clip", "optimizer", "lr", "basis")


def names(folder: Path = STUDIES) -> list[str]:
    """List the studies of a folder, sorted, without reading them."""
    return sorted(file.stem for file in folder.glob(f"*{STUDY_FILE}"))


def find(name: str) -> Study:
    """Read a named study, or any study by the path of its file (``mine.toml``).

    Raises:
        UsageError: No study has the name, or its file is refused.
    """
    if name.endswith(STUDY_FILE):
        return read(Path(name))
    known = names()
    if name not in known:
        raise UsageError(f"no study is called {name!r}{near(name, known) or '; there are ' + ', '.join(known)}")
    return read(STUDIES / f"{name}{STUDY_FILE}")


def read(path: Path) -> Study:
    """Read a study file; the study has the name of the file.

    Raises:
        UsageError: The file cannot be read or something in it is refused; one line with file, key, value and rule.
    """
    name = checked_name(path.name.removesuffix(STUDY_FILE))
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # broken TOML or UTF-8, or numbers and nests beyond Python's limits
        raise UsageError(f"{path} is not TOML: {' '.join(str(error).split())}") from None
    known_keys(content, _TOP, str(path))
    title = word(_needed(content, "title", str(path)), f"{path}: title")
    grids = _tables(content, "grids", str(path))
    if not grids:
        raise UsageError(f"{path}: grids must hold at least one grid")
    rates = tuple(_rate(table, where) for where, table in _tables(content, "rates", str(path)))
    tuning = word(content["tuning"], f"{path}: tuning") if "tuning" in content else None
    lenses = _lenses(content, f"{path}: lenses")
    return Study(name, title, tuple(_grid(table, where) for where, table in grids), rates, str(path), tuning, lenses)


def _lenses(content: Mapping[str, Any], label: str) -> tuple[str, ...]:
    given = content.get("lenses", [])
    return checked_lenses(given if isinstance(given, list) else [given], label)


def _tables(content: Mapping[str, Any], key: str, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    tables = content.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where}: {key} must be tables, each begun with [[{key}]]")
    return [(f"{where}: {key} {position}", table) for position, table in enumerate(tables, 1)]


def _grid(table: Mapping[str, Any], where: str) -> Grid:
    known_keys(table, KEYS, where)
    for key in ("task", "cell"):
        _needed(table, key, where)

    def label(key: str) -> str:
        return f"{where}: {key}"

    grid = Grid(**checked(table, label))
    check_interval(grid, label)
    check_match(grid, table, label)
    check_wiring(grid, label)
    return grid


def _rate(table: Mapping[str, Any], where: str) -> Rate:
    known_keys(table, _RATE, where)
    lr = rate(_needed(table, "lr", where), f"{where}: lr")
    task, cell = (spec(_needed(table, key, where), f"{where}: {key}") for key in ("task", "cell"))
    limits = {key: spec(table[key], f"{where}: {key}") for key in ("clip", "optimizer") if key in table}
    basis = choice(*filter(None, Basis))(table["basis"], f"{where}: basis") if "basis" in table else Basis.GIVEN
    return Rate(task, cell, lr, **limits, basis=Basis(basis))


def _needed(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise UsageError(f"{where}: {key} is missing")
    return table[key]
