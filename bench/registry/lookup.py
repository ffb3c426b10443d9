"""Finds and makes all things that specs name; the directories are the lists, and plugins add to most of them.

Names come from file names, without importing anything; a class is imported when it is first used.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from longlag.process.own_code import Sources
from longlag.registry import plugins
from longlag.registry.contracts import one
from longlag.registry.plugins import Plugin
from longlag.tasks.support.data import is_data_label
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import Configurable
from longlag.tasks.support.spelling import clip_parts

if TYPE_CHECKING:
    from longlag.cells.support.backbone import Backbone
    from longlag.clips.base import Clip
    from longlag.optimisers.base import Optimiser
    from longlag.schedules.base import Schedule
    from longlag.tasks.base import Task

_PACKAGES = {
    "task": "longlag.tasks",
    "cell": "longlag.cells",
    "clip": "longlag.clips",
    "architecture": "longlag.architectures",
    "optimizer": "longlag.optimisers",
    "schedule": "longlag.schedules",
    "lens": "longlag.lens",
}
_NOT_LISTED = {"base"}
_MUCH_ALIKE = 0.7
"""The similarity from which a known name is suggested; high, since the unknown name may be the user's own file."""

Cached = TypeVar("Cached", bound=Callable[..., Any])
_files: dict[tuple[str, str], Plugin] = {}
_forget: list[Callable[[], None]] = []


def forgetful(cached: Cached) -> Cached:
    """Clear a cached function whenever other plugins are used."""
    _forget.append(cached.cache_clear)  # type: ignore[attr-defined]
    return cached


def use(paths: Sequence[Path | str], digests: Sequence[str] = ()) -> None:
    """Use these files as plugins, and no others.

    Args:
        paths: The files.
        digests: The digests of the expected contents, if they are known.

    Raises:
        UsageError: A file is refused, or a name would have two meanings; then no plugin is in use.
    """
    for held in filter(plugins.has_read, used()):
        plugins.forget(held)
    _files.clear()
    plugins.forget_files()
    for clear in _forget:
        clear()
    if len(paths) > 1:
        plugins.check_apart(list(map(Path, paths)))
    files: dict[tuple[str, str], Plugin] = {}
    for place, path in enumerate(paths):
        made = plugins.read(Path(path), digests[place] if digests else None)
        if made.name in shipped(made.kind) or (made.kind == "cell" and made.name in shipped("architecture")):
            raise UsageError(f"plugin {path}: {one(made.kind)} called {made.name!r} is shipped; rename the file")
        if made.name in [name for _, name in files]:
            raise UsageError(f"plugin {path}: two plugins are called {made.name!r}")
        files[made.kind, made.name] = made
    _files.update(files)


def used() -> list[Plugin]:
    """Return the plugins in use, those given to `use`."""
    return list(_files.values())


def shipped(kind: str) -> list[str]:
    """List the names of a kind that come with this package, sorted, without importing them."""
    package = importlib.import_module(_PACKAGES[kind])
    files = (module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return sorted(name for name in files if name not in _NOT_LISTED)


def names(kind: str) -> list[str]:
    """List the names of a kind, sorted: the shipped ones and the plugins in use.

    Kinds are ``task``, ``cell``, ``clip``, ``optimizer``, ``schedule``, ``lens`` and ``architecture``, a whole network,
    which is given in place of a cell.
    """
    return sorted([*shipped(kind), *(name for of, name in _files if of == kind)])


def offered(kind: str) -> list[str]:
    """List the names that installed packages add to a kind, sorted, without importing them."""
    return sorted(plugins.offered(kind).keys() - set(names(kind)))


@forgetful
@cache
def plugin(kind: str, name: str) -> Plugin | None:
    """Return the plugin of a name; None where the name is shipped or unknown.

    Raises:
        UsageError: An installed package offers the name, but its plugin is refused.
    """
    if (kind, name) in _files or name in shipped(kind):
        return _files.get((kind, name))
    point = plugins.offered(kind).get(name)
    return None if point is None else plugins.from_package(kind, point)


@forgetful
@cache
def find(kind: str, name: str) -> type[Configurable]:
    """Import the one concrete class of a file.

    Raises:
        UsageError: There is no such name.
    """  # noqa: DOC501  (`_unknown` returns a UsageError)
    if (made := plugin(kind, name)) is not None:
        return cast("type[Configurable]", made.made)
    if kind == "cell" and name in shipped("architecture"):
        return find("architecture", name)
    known = names(kind)
    if name not in known:
        named_so = [*known, *names("architecture")] if kind == "cell" else known
        raise _unknown(kind, name, [*named_so, *offered(kind)])
    module = importlib.import_module(f"{_PACKAGES[kind]}.{name}")
    classes = [
        made
        for _, made in inspect.getmembers(module, inspect.isclass)
        if made.__module__ == module.__name__ and issubclass(made, Configurable) and not inspect.isabstract(made)
    ]
    assert len(classes) == 1, f"{module.__name__} must define exactly one {kind}, not {len(classes)}"
    return classes[0]


def _unknown(kind: str, name: str, known: list[str]) -> UsageError:
    """Return an error that suggests the user's file of that name, if there is one, or a similar name."""
    unknown = f"no {kind} is called {name!r}"
    listed = f"; there are {', '.join(known)}"
    file = name if name.endswith(".py") else f"{name}.py"
    for made in used():
        if made.name == name:
            return UsageError(f"{unknown}: plugin {made.path} is {one(made.kind)}")
    could_be = plugins.is_name(Path(file).stem) and file.isprintable()
    own = f"name its file with --plugin {file}" if could_be else ""
    if own and Path(file).is_file():
        return UsageError(f"{unknown}; {own}")
    listed += f"; if it is yours, {own}" if own else ""
    return UsageError(unknown + (near(name, known, _MUCH_ALIKE) or listed))


def _made(kind: str, spec: str) -> Any:
    """Make the object that a spec of any kind describes.

    Raises:
        UsageError: There is no such name, its options are refused, or its plugin raised.
    """
    name = spec.partition(":")[0]
    with blamed(kind, name):
        return find(kind, name).from_spec(spec)


@contextmanager
def blamed(kind: str, name: str) -> Iterator[None]:
    """Turn exceptions of a plugin into one line that names its file; does nothing for other names.

    Raises:
        UsageError: The plugin raised, or took too long.
    """
    made = plugin(kind, name)
    if made is None:
        yield
        return
    with plugins.blamed(f"plugin {made.path}"):
        yield


def plugins_of(specs: Iterable[tuple[str, str]]) -> list[Plugin]:
    """Return the plugins that specs name, by name.

    Args:
        specs: Pairs of kind and spec, from `Trial.specs`.
    """
    parts = [(kind, part) for kind, spec in specs for part in (clip_parts(spec) if kind == "clip" else [spec])]
    named = {made for kind, spec in parts if (made := plugin(kind, spec.strip().partition(":")[0])) is not None}
    return sorted(named, key=lambda made: made.label)


def seen_later(made: Plugin) -> Sources:
    """Return the modules and files that a plugin loaded and read after its import."""
    return plugins.seen_later(made, used())


def labels_of(specs: Iterable[tuple[str, str]]) -> str:
    """Return a trial's field ``plugins`` for its specs: ``mine:ab12...``; empty where they name no plugin."""
    return ",".join(made.label for made in plugins_of(specs))


@forgetful
@cache
def task(spec: str) -> "Task":
    """Make the task of a spec such as ``copy:blanks=50``."""
    return cast("Task", _made("task", spec))


@forgetful
@cache
def data_of(task_spec: str) -> str:
    """Return a trial's field ``data`` for its task: names and hashes of the files it reads; empty where it reads none.

    Raises:
        UsageError: The task is refused, or its ``data`` is not made of names and digests.
    """
    made = task(task_spec)
    with blamed("task", made.name()):
        if not is_data_label(label := made.data):
            raise UsageError(f"data must be what data_label returns, a name and a digest, not {label!r}")
        return label


@forgetful
@cache
def cell(spec: str) -> "Backbone":
    """Make the cell, or the architecture, of a spec such as ``lstm:forget_bias=1``."""
    return cast("Backbone", _made("cell", spec))


@forgetful
@cache
def clip(spec: str) -> "Clip":
    """Make the clipping setting of a spec such as ``norm:1`` or ``norm:1+omega:4``."""
    from longlag.clips.base import side_by_side

    return side_by_side([_made("clip", part) for part in clip_parts(spec)])


@forgetful
@cache
def optimizer(spec: str) -> "Optimiser":
    """Make the optimiser of a spec such as ``sgd:momentum=0.9``."""
    return cast("Optimiser", _made("optimizer", spec))


@forgetful
@cache
def schedule(spec: str) -> "Schedule":
    """Make the learning-rate schedule of a spec such as ``warmup:updates=100``."""
    return cast("Schedule", _made("schedule", spec))
