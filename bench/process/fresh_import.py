"""Imports a plugin in a fresh process, to list all modules that it loads: here some may be loaded already."""

import ast
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from longlag.process import reads
from longlag.process.guards import PLUGINS, TookTooLongError
from longlag.process.own_code import (
    Origin,
    Sources,
    beside,
    folders_of,
    is_own,
    libraries_among,
    may_be_own,
    mentioned,
    own_modules,
    package_of,
    unknowable,
)
from longlag.process.unseen import reads_by

_PROGRAM = (
    "import json, sys; given = json.load(sys.stdin); sys.path[:] = given.pop('sys_path');"
    "from longlag.process.fresh_import import tell; tell(**given)"
)

_LISTS = ("unknown", "libraries", "outside", "through")
"""The fields of `Sources` after its files."""


def look(origin: Origin, seconds: float) -> Sources:
    """Return the modules that a plugin loads when it is imported, and the user's own modules that its code names.

    Exceptions of the plugin are not reported: it raises them again when it is imported for use.

    Args:
        origin: The plugin.
        seconds: The time limit.

    Raises:
        TookTooLongError: The import took longer.
    """
    given = json.dumps({"origin": asdict(origin), "sys_path": sys.path})
    command = [sys.executable, "-P", "-c", _PROGRAM]
    try:
        ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise TookTooLongError(f"took longer than {seconds:g} s") from None
    lines = ended.stdout.strip().splitlines()
    sources: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return Sources(sources.get("files", {}), *(tuple(sources.get(key, ())) for key in _LISTS))


def tell(origin: dict[str, Any]) -> None:
    """Import a plugin and print the sources that it loaded, as JSON; the body of the fresh process."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # stdout is the answer's alone: what the plugin prints goes to stderr
    plugin = Origin(**origin | {"distribution": tuple(origin["distribution"])})
    reads.watch()
    with contextlib.suppress(BaseException):
        _run(plugin)
    loaded = _sources(plugin)
    answer.write(json.dumps(asdict(loaded)) + "\n")
    answer.flush()
    os._exit(0)  # ends threads that the plugin has started, too


def _run(plugin: Origin) -> None:
    if plugin.module:
        import_module(plugin.module)
        return
    path = Path(plugin.path)
    sys.path += [folder for folder in folders_of(path) if folder not in sys.path]
    run_file(path, path.read_bytes(), f"{PLUGINS}fresh")


def run_file(path: Path, content: bytes, name: str) -> ModuleType:
    """Run a plugin's content as a module with a given name; it can import the modules beside its file."""
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = package_of(path)[1]
    sys.modules[name] = module  # dataclasses look for it there
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _sources(plugin: Origin) -> Sources:
    """Collect the modules that were loaded, and follow the imports in them that have not run yet."""
    own = own_modules(plugin)
    files = {name: str(module.__file__) for name, module in own.items()}
    named, todo = set[str](), [plugin.path, *files.values()]
    while todo:
        here = {whole for name in _named_in(todo.pop()) for whole in _with_packages(name)}
        for name in sorted(here - named):
            place = None if name in files else _place(name, plugin)
            if place is not None:
                files[name] = place
                todo.append(place)
        named |= here
    files = {name: place for name, place in files.items() if place != plugin.path}
    code = {*files.values(), plugin.path}
    data, outside = beside(reads.read_by(code), code)
    files |= data
    unknown, there = tuple(unknowable(files)), {name: place for name, place in files.items() if Path(place).is_file()}
    through = sorted(through_in({plugin.path, *there.values()}, plugin))
    return Sources(there, unknown, libraries_among(named, plugin), tuple(outside), tuple(through))


def through_in(code: Collection[str], plugin: Origin) -> set[str]:
    """Return the libraries, functions and processes by which a plugin's code reads files unseen, in words.

    They are found in its sources, and recorded while it ran.

    Args:
        code: Its files; files that are missing or not Python sources are left out.
        plugin: The plugin.
    """
    sources = [Path(path) for path in code if path.endswith(".py")]
    return reads.read_through(code) | reads_by((file.read_bytes() for file in sources if file.is_file()), plugin)


def _with_packages(name: str) -> list[str]:
    """Return a module's name after those of the packages that it lies in, which are imported first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _named_in(path: str) -> set[str]:
    if not path.endswith(".py"):
        return set()
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        return mentioned(ast.parse(Path(path).read_bytes()), package_of(Path(path))[1])
    return set()


def _place(name: str, plugin: Origin) -> str | None:
    """Return the file of a module that a source names and has not loaded, if it is the user's own."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or name.startswith(".") or not may_be_own(top, plugin):
        return None
    with contextlib.suppress(BaseException):  # it imports the packages that it lies in
        spec = find_spec(name)
        if spec is not None and spec.has_location and spec.origin and is_own(top, spec.origin, plugin):
            return spec.origin
    return None
