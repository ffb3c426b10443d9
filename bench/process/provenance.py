"""Where a row comes from: the source code and the machine that made it."""

import hashlib
import platform
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("bench", "tasks")
_ENDINGS = (".py", ".toml")
_BLAS = re.compile(r"(Math Kernel Library Version [\w.]+)")
_BLAS_NAME = re.compile(r"BLAS_INFO=(\w+)")


@cache
def source_hash(root: Path = _ROOT) -> str:
    """Return sixteen hexadecimal digits from the contents of the source that makes results.

    Studies are left out: a plan is no code. Neither the place of the source nor the age of its files matters.
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in _files(root)):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def environment() -> dict[str, str]:
    """Return versions, machine and source, as they are stored beside a result."""
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
    """Return what else decides how numbers round: with `environment`, the context of a fingerprint.

    Loads torch, so that only who trains asks for it.
    """
    import torch

    built = torch.__config__.show()
    compiles = find_spec("llvmlite") is not None
    found = _BLAS.search(built) or _BLAS_NAME.search(built)
    return {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": found[1] if found else "unknown",
        "llvmlite": version("llvmlite") if compiles else "none",
        "processor": _compiled_for() if compiles else "unknown",
    }


def _compiled_for() -> str:
    """Return what the compiler calls this processor: its generation, which a model name may hide (``znver4``)."""
    import llvmlite.binding

    return str(llvmlite.binding.get_host_cpu_name())


def _files(root: Path) -> list[Path]:
    found = [path for package in _PACKAGES for path in (root / package).rglob("*") if path.suffix in _ENDINGS]
    return [path for path in found if path.is_file() and path.relative_to(root).parts[:2] != ("bench", "studies")]


@cache
def _cpu_model() -> str:
    try:
        if sys.platform == "darwin":
            asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, subprocess.SubprocessError, StopIteration):  # not every system names its processor
        return platform.processor() or "unknown"
