"""The examples in docstrings run, each module under its own name."""

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import longlag
import longlag.tasks


def modules_with_examples() -> list[str]:
    """List them without importing any: the folders of `longlag` and of `longlag.tasks` need not lie in each other."""
    found = {
        module.name
        for package in (longlag, longlag.tasks)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    }
    specs = {name: importlib.util.find_spec(name) for name in sorted(found)}
    return [name for name, spec in specs.items() if ">>> " in Path(spec.origin).read_text(encoding="utf-8")]


MODULES = modules_with_examples()


def test_examples_are_found_in_both_folders():
    assert {"longlag.stats.intervals", "longlag.tasks.parity"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
