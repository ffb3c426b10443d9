"""Plugins: a task, a cell, a clip, an optimiser or a schedule of the user's, in a file or an installed package.

Plugins run only when they are named. A file's name is the name that users write. A hash of its content and of all of
the user's modules that it imports is part of the key of every trial that uses it.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from longlag.process import fresh_import, reads
from longlag.process.guards import PLUGINS, TookTooLongError, first_line, place, time_limit
from longlag.process.own_code import BESIDE, Origin, Sources, folders_of, installed_by, own_modules, unknowable
from longlag.registry import contracts
from longlag.registry.sources import SECONDS, look, read_since, sources_of
from longlag.tasks.support.errors import UsageError

LOAD_SECONDS = 60.0
"""The time limit for a plugin's import, and for its answers while a plan is made."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Plugin:
    """A class of the user's, with its origin.

    Attributes:
        kind: One of `contracts.KINDS`.
        name: The name that users write.
        path: The absolute path of the file.
        digest: Sixteen hexadecimal digits, a hash of the file's content and of its `sources`.
        made: The class.
        origin: The place that it is loaded from.
        sources: The modules and files that it loads beside its file.
    """

    kind: str
    name: str
    path: str
    digest: str
    made: type
    origin: Origin
    sources: Sources = field(compare=False)

    @property
    def label(self) -> str:
        """Its name and digest as trials hold them: ``mine:ab12...``."""
        return f"{self.name}:{self.digest}"


@contextmanager
def blamed(what: str, more_seconds: float = 0) -> Iterator[None]:
    """Turn exceptions of a plugin into one line that begins with ``what``, with a time limit of `LOAD_SECONDS`.

    Args:
        what: The plugin, for the message.
        more_seconds: Time that is added to the limit.

    Raises:
        UsageError: The plugin raised, or took too long.
    """
    try:
        with time_limit(LOAD_SECONDS + more_seconds):
            yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None
    except TookTooLongError as error:
        raise UsageError(f"{what}: {error}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what}: {first_line(error)}{place(error)}") from error


def is_name(name: str) -> bool:
    """Return whether a text is a valid name: up to 64 letters, digits and underscores, a letter first."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> None:
    """Check that a text is a valid name.

    Args:
        name: The text.
        what: The plugin, for the message.

    Raises:
        UsageError: It does not begin with a letter, has other characters than letters, digits and underscores, is
            longer than 64 characters, or is reserved.
    """
    if not is_name(name):
        rule = "1 to 64 letters (a to z, A to Z), digits or underscores, a letter first"
        raise UsageError(f"{what}: {name!r} must be {rule}")
    if name == "base":
        raise UsageError(f"{what}: {name!r} is reserved")


def read(path: Path, digest: str | None = None) -> Plugin:
    """Import a plugin's file.

    Args:
        path: The file; its name is the plugin's.
        digest: The expected digest, if it is known.

    Raises:
        UsageError: The file cannot be read, does not import, does not define exactly one class, or has changed.
    """
    what = f"plugin {path}"
    content, origin = content_of(path), Origin(str(path.resolve()))
    with blamed(f"{what} does not import", SECONDS):
        sources = sources_of(origin, content)
        actual = sources.digest(content)
    if digest not in (None, actual):
        raise UsageError(f"{what} has changed since the run began")
    with blamed(f"{what} does not import"):
        module = _imported(path.resolve(), content, actual, sources)
    if read_since(origin, sources) != Sources():  # more than its source names
        del sys.modules[module.__name__]
        with blamed(f"{what} does not import", SECONDS):
            sources = look(origin, content)
            actual = sources.digest(content)
            module = _imported(path.resolve(), content, actual, sources)
    with blamed(what):
        kind, made = contracts.one_class(module)
        made = contracts.completed(kind, made, path.stem)
        return Plugin(kind, path.stem, str(path.resolve()), actual, made, origin, sources)


def content_of(path: Path) -> bytes:
    """Return the content of a plugin's file.

    Raises:
        UsageError: The file cannot be read, is not Python, or its name is not a valid name.
    """
    what = f"plugin {path}"
    if path.suffix != ".py":
        raise UsageError(f"{what} is not a Python file (.py)")
    check_name(path.stem, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror}") from None


_at_first: set[str] = set(sys.modules)
"""Modules that were loaded before the plugins in use."""
_folders: list[str] = []
"""Folders of the files in use; they are last in ``sys.path``, so that they do not hide Python's own modules."""
_brought: dict[str, dict[str, ModuleType]] = {}
"""The user's own modules that each plugin's module imported, by name."""


def forget_files() -> None:
    """Remove the folders of plugin files from ``sys.path``, and the modules that they imported from this process."""
    for folder in _folders:
        if folder in sys.path:
            sys.path.remove(folder)
    _folders.clear()
    for modules in _brought.values():
        for name, module in modules.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
    _at_first.update(sys.modules)
    _at_first.difference_update(name for modules in _brought.values() for name in modules)


def _imported(path: Path, content: bytes, digest: str, sources: Sources) -> ModuleType:
    """Run exactly the content that was hashed; the same content is run once per process.

    Raises:
        UsageError: The import changes settings of the process, or a module of the plugin is hidden by another.
    """
    from longlag.process.state import changed, seeded, settled

    new = [folder for folder in folders_of(path.resolve()) if folder not in sys.path]
    _folders.extend(new)
    sys.path.extend(new)
    name = f"{PLUGINS}h{digest}.{path.stem}"
    if name in sys.modules:
        sys.modules.update(_brought[name])
        return sys.modules[name]
    before = set(sys.modules)
    reads.watch()
    with seeded(0), settled() as settings:
        module = fresh_import.run_file(path, content, name)
        if altered := changed(settings):
            del sys.modules[name]
            raise UsageError(f"it changes {', '.join(altered)} for the whole process")
    own = {one: sys.modules[one] for one in sources.files if one in sys.modules}
    _brought[name] = {one: module for one, module in own.items() if one not in before}
    for one, loaded in own.items():
        if getattr(loaded, "__file__", None) != sources.files[one]:
            del sys.modules[name]
            raise UsageError(f"its module {one!r} is hidden by another of that name, {loaded.__file__}; rename it")
    return module


def loaded_later(made: Iterable[Plugin], used: Iterable[Plugin]) -> dict[str, str]:
    """Return the files of the user's own modules that plugins loaded after their import, by name.

    Modules in import statements, inside functions too, are known from the source; these are named in none.

    Args:
        made: The plugins.
        used: All plugins of this process, whose modules are known.
    """
    plugins = list(made)
    known = {file for one in [*plugins, *used] for file in (one.path, *one.sources.files.values())}
    own = {name: module for one in plugins for name, module in own_modules(one.origin).items()}
    files = {name: str(module.__file__) for name, module in own.items() if name not in _at_first}
    return {name: file for name, file in sorted(files.items()) if file not in known}


def forget(plugin: Plugin) -> None:
    """Remove a plugin's modules from this process, so that the next import reads its files again."""
    reads.forget()
    module = f"{PLUGINS}h{plugin.digest}.{plugin.name}"
    for name in (module, plugin.origin.module, *plugin.sources.files):
        sys.modules.pop(name, None)


def has_read(plugin: Plugin) -> bool:
    """Return whether a plugin's code has read any file, when it was imported or later."""
    known = plugin.sources
    return (
        any(name.startswith(BESIDE) for name in known.files)
        or bool(known.outside or known.through)
        or read_since(plugin.origin, known) != Sources()
    )


def seen_later(plugin: Plugin, used: Iterable[Plugin]) -> Sources:
    """Return the modules and files that a plugin loaded and read after its import."""
    loaded = loaded_later([plugin], used)
    seen = read_since(plugin.origin, plugin.sources, loaded.values())
    files = loaded | dict(seen.files)
    return replace(seen, files=files, unknown=tuple(unknowable(files)))


def check_apart(paths: Sequence[Path]) -> None:
    """Check that no two files import different modules of one name, since a process has one module per name.

    Raises:
        UsageError: Two files have such modules, or a file cannot be read.
    """
    held: dict[str, tuple[Path, str]] = {}
    for path in paths:
        content = content_of(path)
        with blamed(f"plugin {path} does not import", SECONDS):
            sources = sources_of(Origin(str(path.resolve())), content)
        for name, file in sources.files.items():
            other, there = held.setdefault(name, (path, file))
            if there != file and not name.startswith(BESIDE):
                raise UsageError(f"plugins {other} and {path} each import a module {name!r} of their own; rename one")


def offered(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of installed packages for a kind (``longlag.cells``), by name, without importing them."""
    return {point.name: point for point in entry_points(group=f"longlag.{kind}s")} if kind in contracts.KINDS else {}


def from_package(kind: str, point: EntryPoint) -> Plugin:
    """Import the plugin of an installed package.

    Raises:
        UsageError: It does not import, or is not one class of the kind.
    """
    what = f"plugin {point.value} (offered as {kind} {point.name!r})"
    check_name(point.name, what)
    reads.watch()
    with blamed(f"{what} does not import"):
        loaded = point.load()
    with blamed(what, SECONDS):
        its_kind, made = contracts.one_class(loaded) if isinstance(loaded, ModuleType) else contracts.kind_of(loaded)
        if its_kind != kind:
            raise UsageError(f"it is {contracts.one(its_kind)}, not {contracts.one(kind)}")
        path = Path(inspect.getsourcefile(made) or "").resolve()
        offering = () if point.dist is None else installed_by(point.dist.name)
        content, origin = path.read_bytes(), Origin(str(path), point.module, offering)
        sources = sources_of(origin, content)
        if read_since(origin, sources) != Sources():
            sources = look(origin, content)
        made = contracts.completed(kind, made, point.name)
        return Plugin(kind, point.name, str(path), sources.digest(content), made, origin, sources)
