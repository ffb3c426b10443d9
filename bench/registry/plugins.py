"""Plugins: a task, a cell, a clip, an optimiser or a schedule of the user's, in a file or an installed package.

They are run only when named. A file's name is the name that users write, and its content, hashed, is part of the key of
every trial that uses it. What the file imports from elsewhere is not.
"""

import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from longlag.process.guards import PLUGINS, TookTooLongError, first_line, place, time_limit
from longlag.registry import contracts
from longlag.tasks.support.errors import UsageError

LOAD_SECONDS = 60.0
"""The longest that a plugin may take to import, and to answer what a plan asks of it."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Plugin:
    """A class of the user's, with where it comes from.

    Attributes:
        kind: One of `contracts.KINDS`.
        name: The word users write.
        path: The file, absolute.
        digest: Sixteen hexadecimal digits from the file's content.
        made: The class.
    """

    kind: str
    name: str
    path: str
    digest: str
    made: type

    @property
    def label(self) -> str:
        """What a trial holds of it: ``mine:ab12...``."""
        return f"{self.name}:{self.digest}"


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn whatever a plugin does wrong into one line that begins with ``what``, within `LOAD_SECONDS`.

    Raises:
        UsageError: It raised, or took too long.
    """
    try:
        with time_limit(LOAD_SECONDS):
            yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None
    except TookTooLongError as error:
        raise UsageError(f"{what}: {error}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what}: {first_line(error)}{place(error)}") from error


def is_name(name: str) -> bool:
    """Say whether something can be written as a name: up to 64 letters, digits and underscores, a letter first."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> None:
    """Refuse what cannot be written as a name.

    Raises:
        UsageError: It begins with no letter, or has other characters than letters, digits and underscores.
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
        digest: Of the content that is expected.

    Raises:
        UsageError: The file cannot be read, does not import, does not define exactly one class, or has changed.
    """
    what = f"plugin {path}"
    if path.suffix != ".py":
        raise UsageError(f"{what} is not a Python file (.py)")
    check_name(path.stem, what)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()[:16]
    if digest not in (None, found):
        raise UsageError(f"{what} has changed since the run began")
    with blamed(f"{what} does not import"):
        module = _imported(path, content, found)
    with blamed(what):
        kind, made = contracts.one_class(module)
        return Plugin(kind, path.stem, str(path.resolve()), found, contracts.completed(kind, made, path.stem))


def _imported(path: Path, content: bytes, digest: str) -> ModuleType:
    """Run exactly the content that was hashed; the same content is one module in a process."""
    from longlag.process.state import changed, seeded, settled

    name = f"{PLUGINS}h{digest}.{path.stem}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module  # dataclasses look for it there
        try:
            with seeded(0), settled() as before:
                exec(compile(content, str(path), "exec"), module.__dict__)
                if found := changed(before):
                    raise UsageError(f"it changes {', '.join(found)} for the whole process")
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def offered(kind: str) -> dict[str, EntryPoint]:
    """Return what installed packages offer under ``longlag.cells`` and the like, by name, without importing it."""
    return {point.name: point for point in entry_points(group=f"longlag.{kind}s")} if kind in contracts.KINDS else {}


def from_package(kind: str, point: EntryPoint) -> Plugin:
    """Import what an installed package offers.

    Raises:
        UsageError: It does not import, or is not one class of the kind.
    """
    what = f"plugin {point.value} (offered as {kind} {point.name!r})"
    check_name(point.name, what)
    with blamed(f"{what} does not import"):
        loaded = point.load()
    with blamed(what):
        found, made = contracts.one_class(loaded) if isinstance(loaded, ModuleType) else contracts.kind_of(loaded)
        if found != kind:
            raise UsageError(f"it is {contracts.one(found)}, not {contracts.one(kind)}")
        path = Path(inspect.getsourcefile(made) or "")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return Plugin(kind, point.name, str(path.resolve()), digest, contracts.completed(kind, made, point.name))
