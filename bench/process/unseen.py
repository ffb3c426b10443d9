"""Names of libraries and functions that open files by compiled code, which no audit hook sees.

Python's own `open` is seen, and with it `numpy`, `torch.load` and parsers of text (`longlag.process.reads`).
"""

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, requires

from longlag.process.own_code import Origin, distributions, libraries_among, mentioned

LIBRARIES = {
    *("cv2", "duckdb", "h5py", "lmdb", "netCDF4", "onnxruntime", "polars", "pyarrow", "rasterio", "safetensors"),
    *("soundfile", "tables", "tensorflow", "tensorstore", "torchaudio", "torchcodec"),
}
"""Top-level names of libraries that read files by compiled code; distributions that require them may do so, too."""
CALLS = {"from_file", "read_parquet", "read_orc", "read_hdf", "HDFStore", "read_image", "load_library"}
"""Functions of torch, torchvision and pandas that read files by compiled code."""
_LOADS = {"jit", "export"}
"""Parts of torch whose `load` reads files by compiled code."""
_DISTRIBUTION = re.compile(r"[\w.-]+")


def functions_in(tree: ast.AST) -> set[str]:
    """Return the names of functions in a source that open files unseen.

    >>> functions_in(ast.parse("torch.jit.load(file); torch.load(file)"))
    {'jit.load'}
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            found |= {f"{owner}.load"} if node.attr == "load" and owner in _LOADS else {node.attr} & CALLS
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names} & CALLS
            if (node.module or "").rpartition(".")[2] in _LOADS:
                found |= {f"{node.module}.load" for alias in node.names if alias.name == "load"}
    return found


def reads_by(contents: Iterable[bytes], origin: Origin) -> set[str]:
    """Return the names of libraries and functions in sources that open files unseen.

    Args:
        contents: The sources.
        origin: The plugin that they belong to.
    """
    return set[str]().union(*(_reads_by(content, origin) for content in contents))


@lru_cache(maxsize=256)
def _reads_by(content: bytes, origin: Origin) -> set[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # reported where it is imported
        return set()
    tops = {name.partition(".")[0] for name in mentioned(tree, "")}
    hiding = {name for top in LIBRARIES for name in distributions(top)}
    by = tops & LIBRARIES
    for top in libraries_among(tops - by, origin):
        by |= {top for name in distributions(top) if hiding & _all_required(name)}
    return by | functions_in(tree)


@cache
def _all_required(distribution: str) -> frozenset[str]:
    """Return the names of all distributions that a distribution requires, directly or indirectly."""
    found, todo = set[str](), [distribution]
    while todo:
        new = set(_required(todo.pop())) - found
        found |= new
        todo += new
    return frozenset(found)


def _required(distribution: str) -> Iterator[str]:
    with suppress(PackageNotFoundError):
        for line in requires(distribution) or ():
            named = _DISTRIBUTION.match(line)
            if named and "extra ==" not in line:
                yield named[0]
