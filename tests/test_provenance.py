"""Where a row comes from: equal source gives an equal hash, wherever and whenever it was copied."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from longlag.process.provenance import environment, source_hash

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("bench", "tasks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored, copy_function=shutil.copyfile)
    return tmp_path


def fresh_hash(root: Path) -> str:
    return source_hash.__wrapped__(root)


def test_neither_place_nor_time_matters(copy: Path) -> None:
    before = fresh_hash(copy)
    moved = copy / "elsewhere"
    for package in ("bench", "tasks"):
        shutil.copytree(copy / package, moved / package)
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    assert fresh_hash(moved) == before


def append(root: Path, file: str) -> None:
    path = root / file
    path.write_text(path.read_text() + "\n")


def swap_case(root: Path, file: str) -> None:
    path = root / file
    path.write_text(path.read_text().swapcase())


@pytest.mark.parametrize(
    "change",
    [
        lambda root: append(root, "tasks/copy.py"),
        lambda root: append(root, "bench/cells/lstm.py"),
        lambda root: swap_case(root, "bench/cells/lstm.py"),
        lambda root: (root / "bench" / "new.py").touch(),
        lambda root: (root / "tasks" / "words.toml").write_text("a = 1"),
        lambda root: (root / "tasks" / "copy.py").rename(root / "tasks" / "copies.py"),
    ],
)
def test_changed_source_changes_the_hash(copy: Path, change: Callable[[Path], object]) -> None:
    before = fresh_hash(copy)
    change(copy)
    assert fresh_hash(copy) != before


def test_a_plan_is_no_source(copy: Path) -> None:
    before = fresh_hash(copy)
    (copy / "bench" / "studies" / "mine.toml").write_text("title = 'mine'")
    (copy / "bench" / "README.md").write_text("words")
    assert fresh_hash(copy) == before


def test_the_environment_names_versions_machine_and_source() -> None:
    found = environment()
    assert set(found) == {"source", "python", "numpy", "torch", "numba", "platform", "machine", "cpu"}
    assert found["source"] == source_hash()
    assert all(found.values())
