"""Copies of the package that a test may change; a process started in their folder imports the copy."""

import shutil
from pathlib import Path

import longlag
import longlag.tasks


def copy_package(target: Path) -> Path:
    """Copy `longlag` and `longlag.tasks`, as an installed package has them, into a folder; return that of the copy."""
    copy, ignored = target / "longlag", shutil.ignore_patterns("__pycache__")
    shutil.copytree(longlag.__path__[0], copy, ignore=ignored, copy_function=shutil.copyfile)
    shutil.copytree(
        longlag.tasks.__path__[0], copy / "tasks", ignore=ignored, copy_function=shutil.copyfile, dirs_exist_ok=True
    )
    return copy
