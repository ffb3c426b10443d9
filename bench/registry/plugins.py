"""Plugins: a task, a cell or a clip of the user's, in one file or in an installed package; run only when named.

A file's name is the name that users write, and its content, hashed, is part of the key of every trial that uses it.
What the file imports from elsewhere is not.
"""

import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import Field, dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from longlag.process.guards import PLUGINS, TookTooLongError, first_line, time_limit
from longlag.tasks.support.errors import UsageError

KINDS = ("task", "cell", "clip")
LOAD_SECONDS = 60.0
"""The longest that a plugin may take to import, and to answer what a plan asks of it."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_CONTRACT = (
    "one class that is a Task, a Cell, a Clip, or a torch.nn.Module with __init__(self, input_size, hidden_size) "
    "and forward(self, inputs, state)"
)


@dataclass(frozen=True)
class Plugin:
    """A class of the user's, with where it comes from.

    Attributes:
        kind: ``task``, ``cell`` or ``clip``.
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
        raise UsageError(f"{what}: {first_line(error)}") from error


def check_name(name: str, what: str) -> None:
    """Refuse what cannot be written as a name.

    Raises:
        UsageError: It begins with no letter, or has other characters than letters, digits and underscores.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{what}: {name!r} must be 1 to 64 letters, digits or underscores, a letter first")
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
        kind, made = _one_class(module)
        return Plugin(kind, path.stem, str(path.resolve()), found, _completed(kind, made, path.stem))


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
    return {point.name: point for point in entry_points(group=f"longlag.{kind}s")}


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
        found, made = _one_class(loaded) if isinstance(loaded, ModuleType) else _kind_of(loaded)
        if found != kind:
            raise UsageError(f"it is a {found}, not a {kind}")
        path = Path(inspect.getsourcefile(made) or "")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return Plugin(kind, point.name, str(path.resolve()), digest, _completed(kind, made, point.name))


def _one_class(module: ModuleType) -> tuple[str, type]:
    own = {
        found
        for name, found in vars(module).items()
        if inspect.isclass(found) and found.__module__ == module.__name__ and not found.__name__.startswith("_")
    }
    fitting = sorted((made for made in own if _contracts(made)), key=lambda made: made.__name__)
    concrete = [made for made in fitting if not inspect.isabstract(made)]
    if not concrete and fitting:
        lacking = ", ".join(sorted(getattr(fitting[0], "__abstractmethods__", ())))
        raise UsageError(f"class {fitting[0].__name__} lacks {lacking}")
    if len(concrete) != 1:
        names = f" ({', '.join(made.__name__ for made in concrete)})" if concrete else ""
        count = f"{len(concrete)} classes{names}" if concrete else "no class"
        hint = "; names of others begin with an underscore" if concrete else ""
        raise UsageError(f"defines {count}; it must define {_CONTRACT}{hint}")
    return _kind_of(concrete[0])


def _kind_of(made: Any) -> tuple[str, type]:
    found = _contracts(made) if inspect.isclass(made) else []
    if len(found) != 1:
        raise UsageError(f"{made!r} is not {_CONTRACT}")
    return found[0], made


def _contracts(made: type) -> list[str]:
    """Name the kinds whose contract a class takes on."""
    from torch import nn

    from longlag.cells.support.backbone import Backbone
    from longlag.clips.base import Clip
    from longlag.tasks.base import Task

    found = [kind for kind, base in zip(KINDS, (Task, Backbone, Clip), strict=True) if issubclass(made, base)]
    return found + (["cell"] if issubclass(made, nn.Module) and _is_cell(made) else [])


def _is_cell(made: type) -> bool:
    built = list(inspect.signature(made).parameters)
    called = list(inspect.signature(getattr(made, "forward", made)).parameters)
    return built[:2] == ["input_size", "hidden_size"] and called[:3] == ["self", "inputs", "state"]


def _completed(kind: str, made: Any, name: str) -> type:
    """See that a class says what its contract asks for, and make it answer to its name."""
    from torch import nn

    from longlag.cells.support.module_cell import ModuleCell, build

    version = getattr(made, "version", 1)
    if not isinstance(version, int) or version < 1:
        raise UsageError(f"{made.__name__}.version must be a whole number of at least 1, not {version!r}")
    of_name = {"name": classmethod(lambda cls: name), "__module__": made.__module__, "__doc__": made.__doc__}
    if issubclass(made, nn.Module):
        build(made, 16, 16, 0)
        return type(made.__name__, (ModuleCell,), of_name | {"module": made, "version": version})
    for item in [item for item, value in vars(made).items() if isinstance(value, Field)]:
        raise UsageError(f"class {made.__name__} needs @dataclass(frozen=True): its option {item!r} is not read")
    wanted = {item for base in made.__mro__[1:] for item in inspect.get_annotations(base)}
    if lacking := sorted(item for item in wanted if not hasattr(made, item) and not item.startswith("_")):
        raise UsageError(f"class {made.__name__} lacks {', '.join(lacking)}")
    if kind != "clip":
        for item in fields(made):
            if "summary" not in item.metadata:
                what = f"class {made.__name__}: {item.name} is no option"
                raise UsageError(f"{what}; write {item.name}: type = option(default, 'what it sets')")
        made.from_texts({})
    if kind == "task":
        made.check_dial()
    for item in ("gates", "states") if kind == "cell" else ():
        if isinstance(named := getattr(made, item, ()), str):
            raise UsageError(
                f"class {made.__name__}: {item} must be a tuple of names, not {named!r}; write ({named!r},)"
            )
    return made if made.name() == name else type(made.__name__, (made,), of_name)
