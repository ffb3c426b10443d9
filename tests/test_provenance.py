"""Where a row comes from: equal source gives an equal hash, wherever and whenever it was copied."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from package_copies import copy_package

from longlag.process import provenance
from longlag.process.provenance import MAKES_NUMBERS, environment, source_hash
from longlag.process.sources import closure, imported, modules


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("original"))


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "longlag"))


@pytest.fixture(scope="module", autouse=True)
def _read_each_source_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longlag.process.sources.imported", cache(imported))
        yield


def hash_of(copy: Path) -> str:
    modules.cache_clear()
    return source_hash.__wrapped__(("longlag", copy))


def test_a_checkout_and_an_installed_package_have_the_same_hash(copy: Path) -> None:
    assert hash_of(copy) == source_hash()


def test_neither_place_nor_time_matters(copy: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "lib"
    shutil.copytree(copy, moved)
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    assert hash_of(moved) == hash_of(copy)


def append(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


MAKING_NUMBERS = (
    *("training/cohort.py", "training/stopping.py", "networks/readout.py", "registry/plugins.py", "values/seeding.py"),
    *("tasks/copy.py", "tasks/base.py", "tasks/support/drawing.py", "tasks/support/lexicon.toml"),
    *("cells/lstm.py", "cells/support/initialisers.py", "clips/norm.py", "architectures/tcn.py"),
    *("optimisers/sgd.py", "schedules/cosine.py", "scans/kernels/lstm.py", "scans/engine/products.py", "__init__.py"),
)
NO_NUMBERS = (
    *("report/figures/support/palette.py", "report/text/tables.py", "report/published.toml", "cli/training.py"),
    *("regression/judge/verdict.py", "store/schema.py", "perf/kernels.py", "plan/studies/quick.toml", "run/run.py"),
    *("experiments/horizon.py", "stats/intervals.py", "registry/skeletons/cell.py", "README.md", "checks/tasks.py"),
)


def test_changed_source_that_makes_numbers_changes_the_hash(copy: Path) -> None:
    seen = {hash_of(copy)}
    for count, file in enumerate(MAKING_NUMBERS, 2):
        append(copy / file)
        seen.add(hash_of(copy))
        assert len(seen) == count, file


def test_what_plans_stores_or_reports_is_no_part_of_it(copy: Path) -> None:
    for file in NO_NUMBERS:
        append(copy / file)
        assert hash_of(copy) == source_hash(), file


@pytest.mark.parametrize(
    "change",
    [
        lambda copy: (copy / "tasks" / "new.py").touch(),
        lambda copy: (copy / "tasks" / "support" / "words.toml").write_text("a = 1"),
        lambda copy: (copy / "tasks" / "copy.py").rename(copy / "tasks" / "copies.py"),
        lambda copy: (copy / "scans" / "kernels" / "mgu.py").touch(),
    ],
)
def test_other_files_and_names_change_the_hash(copy: Path, change: Callable[[Path], object]) -> None:
    change(copy)
    assert hash_of(copy) != source_hash()


TRAIN = """
import importlib, pkgutil, sys
import longlag.tasks
from longlag import registry
from longlag.training.cohort import train
from longlag.values.trial import Trial

for kind in ("task", "cell", "clip", "architecture", "optimizer", "schedule"):
    for name in registry.names(kind):
        registry.find(kind, name)
import longlag.scans.kernels
for kernel in pkgutil.iter_modules(longlag.scans.kernels.__path__, "longlag.scans.kernels."):
    importlib.import_module(kernel.name)
train([Trial("adding:length=5", "lem", "norm:1", 0.01, 0, updates=1, eval_every=1)], lambda result: None, {})
print(*(name for name in sys.modules if name.partition(".")[0] == "longlag"))
"""


def test_whatever_training_loads_is_in_the_hash() -> None:
    loaded = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= closure(MAKES_NUMBERS, modules())


def test_the_environment_names_versions_machine_and_source() -> None:
    found = environment()
    assert set(found) == {"source", "python", "numpy", "torch", "numba", "platform", "machine", "cpu"}
    assert found["source"] == source_hash()
    assert all(found.values())


def parsed(source: str) -> set[str]:
    """List what a source imports of the package, as Python reads it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.partition(".")[0] == "longlag"}


def test_imports_are_found_as_python_reads_them() -> None:
    files = modules()
    for name, path in files.items():
        text = path.read_text(encoding="utf-8")
        assert parsed(text) <= imported(text), name
        assert imported(text) & files.keys() == parsed(text) & files.keys(), name


def test_what_a_plugin_loads_later_is_no_other_version_of_the_code_unless_it_changed() -> None:
    plain, later = ("a", {}), {provenance.LATER: {"aside": "/x/aside.py"}, provenance.OF_LONGLAG: "a"}
    assert provenance.versions([plain, ("b", later), ("b", later)]) == ("a",)
    assert provenance.versions([plain, ("b", later), ("c", later)]) == ("b", "c")
    assert provenance.versions([plain, ("b", later | {provenance.OF_LONGLAG: "d"})]) == ("a", "d")
    assert provenance.versions([]) == ()
