"""Finds the source files of this package by the names of their modules, in a checkout or an installed package."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("longlag", "longlag.tasks")
"""The packages that lie in folders of their own in a checkout."""
_IMPORTS = re.compile(r"^[ \t]*(?:from (longlag[\w.]*) import (\([^)]*\)|[^\n]*)|import (longlag[\w.]*))", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?:\s+as\s+\w+)?")


@cache
def modules(*folders: tuple[str, Path]) -> dict[str, Path]:
    """Return the file of every module in some packages, by the module's name.

    Args:
        folders: Names of packages with their folders; by default those that this process imports from.
    """
    placed = folders or tuple((name, folder_of(name)) for name in PACKAGES)
    paths = {}
    for package, folder in placed:
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            paths[".".join(parts).removesuffix(".__init__")] = path
    return paths


def closure(roots: Iterable[str], files: Mapping[str, Path]) -> set[str]:
    """Return modules with all modules that they import, inside functions too.

    Args:
        roots: Names of modules, or ``package.*`` for all modules of a package.
        files: The file of every module, from `modules`.
    """
    todo = [name for root in roots for name in files if name == root or _is_member(name, root)]
    reached: set[str] = set()
    while todo:
        if (name := todo.pop()) in reached:
            continue
        reached.add(name)
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        todo += [*parents, *(imported(files[name].read_text(encoding="utf-8")) & files.keys())]
    return reached


def imported(source: str) -> set[str]:
    """List the modules of this package that a source imports, also in functions and type-checking blocks, by full name.

    Of ``from a import b`` both ``a`` and ``a.b`` are listed, since b may be a module. Lines are matched and not parsed:
    parsing all files takes a quarter of a second, in every process.

    >>> sorted(imported("from longlag import registry"))
    ['longlag', 'longlag.registry']
    """
    imports = set()
    for module, names, plain in _IMPORTS.findall(source):
        imports |= {module, *(f"{module}.{name}" for name in _NAME.findall(names))} if module else {plain}
    return imports


def _is_member(name: str, root: str) -> bool:
    package, star, _ = root.rpartition(".*")
    return bool(star) and name.rpartition(".")[0] == package


def folder_of(package: str) -> Path:
    """Return the folder that a package is imported from."""
    spec = find_spec(package)
    assert spec is not None
    return Path(str(spec.origin)).parent
