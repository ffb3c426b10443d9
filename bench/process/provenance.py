"""The provenance of a row: the source code and the machine that made it."""

import hashlib
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from longlag.process.own_code import files_digest
from longlag.process.sources import closure, modules

MAKES_NUMBERS = (
    "longlag.training.*",
    "longlag.tasks.*",
    "longlag.cells.*",
    "longlag.clips.*",
    "longlag.architectures.*",
    "longlag.optimisers.*",
    "longlag.schedules.*",
    "longlag.scans.kernels.*",
)
"""The code that trains a cohort, and the packages of the things that a trial names; with all that these import."""
LATER, UNHASHED, UNCHECKED = "loaded_later", "unhashed", "unchecked"
"""Keys of a row's environment: the modules that its plugins loaded, and the files that they read, after their import;
the parts of them that no hash covers; and whether their contract was not checked."""
OF_LONGLAG = "source_of_longlag"
"""Key of the environment of a row whose source includes more than longlag: the `source_hash` of longlag."""
_BLAS = re.compile(r"(Math Kernel Library Version [\w.]+)")
_BLAS_NAME = re.compile(r"BLAS_INFO=(\w+)")


@cache
def source_hash(*folders: tuple[str, Path]) -> str:
    """Return sixteen hexadecimal digits, a hash of the source files that can change a trial's numbers.

    Modules are identified by name: neither the place of the source nor the age of its files matters. Modules that only
    plan, store or report are left out.

    Args:
        folders: Names of packages with their folders; by default those that this process imports from.
    """
    files = modules(*folders)
    digest = hashlib.sha256()
    for name in sorted(closure(MAKES_NUMBERS, files)):
        data = sorted(files[name].parent.glob("*.toml")) if files[name].name == "__init__.py" else []
        for path in (files[name], *data):
            content = path.read_bytes()
            digest.update(f"{name} {path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def source_with(later: Mapping[str, str], unhashed: Sequence[str]) -> str:
    """Return the source hash of a row whose plugins loaded more files after their import.

    Args:
        later: These files, by the names of their modules (`Sources.files`).
        unhashed: The parts of plugins that no hash covers, in words.

    Raises:
        OSError: A file cannot be read.
    """
    if not later and not unhashed:
        return source_hash()
    content = f"{source_hash()} {files_digest(later)} {'; '.join(unhashed)}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def versions(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """Return the versions of the code that made rows, sorted; more than one means that rows cannot be compared.

    Rows whose plugins loaded more files after their import have other hashes: they are compared by the source of
    longlag, and by their own among rows that loaded the same files.

    Args:
        rows: The source and the environment of each.
    """
    by_longlag, alike = set[str](), dict[tuple[tuple[str, ...], ...], set[str]]()
    for source, environment in rows:
        by_longlag.add(environment.get(OF_LONGLAG, source))
        more = (tuple(sorted(environment.get(LATER, ()))), tuple(environment.get(UNHASHED, ())))
        alike.setdefault(more, set()).add(source)
    most = max([by_longlag, *alike.values()], key=len)
    return tuple(sorted(most))


def is_present(source: str | None, environment: Mapping[str, Any]) -> bool:
    """Return whether the code that made a row is the present code, as far as hashes cover it.

    Args:
        source: The row's source hash.
        environment: The row's environment.
    """
    later = environment.get(LATER, {})
    if not all(Path(file).is_file() for file in later.values()):  # missing, or without an end, such as a pipe
        return False
    try:
        return source == source_with(later, environment.get(UNHASHED, ()))
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Return versions, machine and source hash, which are stored with every result."""
    return {
        "source": source_hash(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
        "numba": version("numba") if find_spec("numba") else "none",
        "platform": sys.platform,
        "machine": platform.machine(),
        "cpu": _cpu_model(),
    }


def numerics() -> dict[str, str]:
    """Return the libraries and processor features that decide rounding: with `environment`, a fingerprint's context.

    It loads torch, so that only code that trains calls it.
    """
    import torch

    built = torch.__config__.show()
    compiles = find_spec("llvmlite") is not None
    library = _BLAS.search(built) or _BLAS_NAME.search(built)
    return {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": library[1] if library else "unknown",
        "llvmlite": version("llvmlite") if compiles else "none",
        "processor": _compiled_for() if compiles else "unknown",
    }


def _compiled_for() -> str:
    """Return the compiler's name of this processor: its generation (``znver4``), which a model name may hide."""
    import llvmlite.binding

    return str(llvmlite.binding.get_host_cpu_name())


@cache
def _cpu_model() -> str:
    try:
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, subprocess.SubprocessError, StopIteration):  # not every system names its processor
        return platform.processor() or "unknown"


def processor_of(environment: Mapping[str, Any]) -> str:
    """Return the type of the processor that made a row, as far as it decides rounding.

    Args:
        environment: The row's environment.

    >>> processor_of({"processor": "znver3", "cpu_capability": "AVX2", "cpu": "AMD EPYC 7B13"})
    'znver3 AVX2'
    """
    known = [
        environment[name] for name in ("processor", "cpu_capability") if environment.get(name, "unknown") != "unknown"
    ]
    return " ".join(map(str, known)) or str(environment.get("cpu", "unknown"))
