"""The user's own modules and data that a plugin uses beside its file, and the part of them that no hash covers.

A module is the user's own unless it lies where distributions are installed, or belongs to Python or to `longlag`. The
modules of the plugin's own distribution count as own code, wherever they lie. Other distributions are identified by
their versions.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType

from longlag.process.guards import PLUGINS
from longlag.process.sources import PACKAGES, folder_of

INSTALLED = {"site-packages", "dist-packages"}
"""Folders in which distributions are installed."""
BESIDE = "file "
"""Prefix of the names of files that are not modules."""
_KNOWN = {"longlag", "torch", "numpy", "numba"}
"""Packages whose version or source is in every row anyway."""
_BY_NAME = {"__import__", "exec", "eval", "open", "importlib", "imp", "runpy", "pkgutil"}
"""Names in a source that can load code which no import statement names."""


@dataclass(frozen=True)
class Origin:
    """The place that a plugin is loaded from.

    Attributes:
        path: Its file, absolute.
        module: The module that an entry point names; empty for a file.
        distribution: The top-level names of the distribution that offers it: all of them count as its own code.
    """

    path: str
    module: str = ""
    distribution: tuple[str, ...] = ()

    @property
    def tops(self) -> set[str]:
        """The top-level names that are its own wherever they lie."""
        package = self.module or package_of(Path(self.path))[1]
        return {package.partition(".")[0], *self.distribution} - {""}


@dataclass(frozen=True)
class Sources:
    """The modules and files that a plugin loads beside its own file.

    Attributes:
        files: The user's own modules, and data files beside them, by name: absolute paths.
        unknown: The parts of its code that no hash covers, in words; empty if hashes cover all.
        libraries: Top-level names of other distributions that its code imports.
        outside: Files that it reads outside its own folders; they are not hashed.
        through: The libraries, functions and processes by which it reads files unseen, in words.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    through: tuple[str, ...] = ()

    def digest(self, content: bytes) -> str:
        """Return sixteen hexadecimal digits, a hash of the plugin's content and of `files`.

        Without files it is the hash of the content alone.

        Raises:
            OSError: A file cannot be read.
        """
        hashed = hashlib.sha256(content)
        hashed.update(_written(self.files))
        return hashed.hexdigest()[:16]

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the distributions that are not the plugin's own, by name."""
        return {name: version(name) for name in sorted({one for top in self.libraries for one in distributions(top)})}


def files_digest(files: Mapping[str, str]) -> str:
    """Return sixteen hexadecimal digits, a hash of the names and contents of files.

    Raises:
        OSError: A file cannot be read.
    """
    return hashlib.sha256(_written(files)).hexdigest()[:16]


def _written(files: Mapping[str, str]) -> bytes:
    parts = []
    for name, path in sorted(files.items()):
        content = Path(path).read_bytes()
        parts += [f"{name} {len(content)}\n".encode(), content]
    return b"".join(parts)


def package_of(path: Path) -> tuple[Path, str]:
    """Return the folder from which a file's package is imported, and the package's name; empty without a package."""
    folder, names = path.parent, list[str]()
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def folders_of(path: Path) -> list[str]:
    """Return the folders from which a plugin's file may import what lies beside it."""
    return list(dict.fromkeys([str(path.parent), str(package_of(path)[0])]))


def own_modules(origin: Origin) -> dict[str, ModuleType]:
    """Return the modules of this process that are the user's own, by name; the plugin's file is not among them."""
    loaded = dict(sys.modules)
    return {name: module for name, module in sorted(loaded.items()) if _is_own(name, module, origin)}


def _is_own(name: str, module: ModuleType, origin: Origin) -> bool:
    place = getattr(module, "__file__", None)
    made = not isinstance(place, str) or not Path(place).is_absolute()  # code can set any name there
    if made or name.startswith(PLUGINS) or name in ("__main__", "__mp_main__"):
        return False
    return is_own(name.partition(".")[0], str(place), origin)


def is_own(top: str, place: str, origin: Origin) -> bool:
    """Return whether a file belongs to a plugin, and not to Python, longlag or another distribution.

    Args:
        top: The top-level name of its module.
        place: The file.
        origin: The plugin.
    """
    return top in origin.tops or (top != "longlag" and not INSTALLED & set(Path(place).parts) and not _of_python(place))


def _of_python(place: str) -> bool:
    return any(Path(place).is_relative_to(folder) for folder in _python_folders())


def _is_ours(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _our_folders())


@cache
def _our_folders() -> tuple[Path, ...]:
    return tuple(folder_of(package).resolve() for package in PACKAGES)


@cache
def _python_folders() -> tuple[str, ...]:
    return tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})


def loads_more(content: bytes, origin: Origin) -> bool:
    """Return whether a plugin may load modules of the user's own: only then it is imported in a fresh process."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # reported where the plugin is imported
        return False
    if "." in origin.module or (origin.module and Path(origin.path).stem == "__init__"):
        return True
    folders = () if origin.module else folders_of(Path(origin.path))
    tops = {name.partition(".")[0] for name in mentioned(tree, "")}
    if "" in tops or tops & _BY_NAME or {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & _BY_NAME:
        return True
    return any(may_be_own(top, origin, folders) for top in tops - _KNOWN - sys.stdlib_module_names)


def may_be_own(top: str, origin: Origin, folders: Iterable[str] = ()) -> bool:
    """Return whether a top-level module may belong to a plugin's own code, by the place it would be imported from.

    Args:
        top: The name.
        origin: The plugin.
        folders: Folders that are searched beside ``sys.path``.
    """
    for folder in map(Path, folders):
        if any((folder / f"{top}{end}").exists() for end in ("", *SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)):
            return True
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return True
    return spec is None or spec.origin is None or is_own(top, spec.origin, origin)


def mentioned(tree: ast.AST, package: str) -> set[str]:
    """List the modules that a source imports, inside functions too, by full name.

    Of ``from a import b`` both ``a`` and ``a.b`` are listed, since b may be a module. Without a package relative names
    stay as they are.

    >>> sorted(mentioned(ast.parse("from .b import c"), "a"))
    ['a.b', 'a.b.c']
    """
    imports = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if node.level and package:
                module = _resolved(module, package)
            dot = "" if module.endswith(".") else "."
            imports |= {module, *(f"{module}{dot}{alias.name}" for alias in node.names)}
    return imports


def _resolved(name: str, package: str) -> str:
    try:
        return resolve_name(name, package)
    except ImportError:  # above the top-level package: reported where the plugin is imported
        return name


def imported_libraries(content: bytes, origin: Origin) -> tuple[str, ...]:
    """Return the top-level names of other distributions that a source imports."""
    try:
        return libraries_among(mentioned(ast.parse(content), ""), origin)
    except (SyntaxError, ValueError):
        return ()


def libraries_among(names: Iterable[str], origin: Origin) -> tuple[str, ...]:
    """Return the top-level names of other distributions among names of modules, sorted."""
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - _KNOWN - {""}
    return tuple(sorted(top for top in tops if not may_be_own(top, origin)))


def distributions(top: str) -> list[str]:
    """Return the distributions that provide a top-level module."""
    return list(_packages().get(top, []))


def installed_by(distribution: str) -> tuple[str, ...]:
    """Return the top-level names that a distribution installs, sorted."""
    return tuple(sorted(top for top, names in _packages().items() if distribution in names))


@cache
def _packages() -> Mapping[str, list[str]]:
    return packages_distributions()


def beside(read: Iterable[str], code: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Divide the data files that code reads into those in its own folders and those outside them.

    The files of the code itself, of Python and of distributions are left out.

    Args:
        read: The files that were read, as resolved paths.
        code: The files of the code.

    Returns:
        The files in the folders of the code, by a name made of their relative path, and the files elsewhere.
    """
    places = {Path(file).resolve() for file in code}
    folders = sorted({place.parent for place in places}, key=lambda folder: -len(folder.parts))
    inside, outside = dict[str, str](), list[str]()
    for path in sorted(set(map(Path, read)) - places):
        home = next((folder for folder in folders if path.is_relative_to(folder)), None)
        if home is not None and not _is_hidden(path, home):
            inside[f"{BESIDE}{path.relative_to(package_of(home / 'any')[0]).as_posix()}"] = str(path)
        elif not (
            INSTALLED & set(path.parts) or "__pycache__" in path.parts or _of_python(str(path)) or _is_ours(path)
        ):
            outside.append(str(path))
    return inside, outside


def _is_hidden(path: Path, home: Path) -> bool:
    """Return whether a file lies in a folder that holds no data: caches, settings, installed distributions."""
    parts = {home.name, *path.relative_to(home).parts} if home.name in INSTALLED else path.relative_to(home).parts
    return any(part in INSTALLED or part == "__pycache__" or part.startswith(".") for part in parts)


def told_data(sources: Sources) -> Iterator[str]:
    """Yield a line on the files outside its folder that a plugin reads, and one on how it reads files unseen."""
    if outside := sources.outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        yield f"it reads {outside[0]}{more}, outside its folder"
    if sources.through:
        yield f"files that it reads by {', '.join(sources.through)} are not seen"


def unknowable(files: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each module whose behaviour no hash of a source covers."""
    for name, path in files.items():
        if path.endswith(tuple(EXTENSION_SUFFIXES)):
            yield f"{name} is compiled"
        elif not Path(path).is_file():
            yield f"{name} lies in no file of its own"
