"""Whenever a command is killed, the same command again gives the bytes of one that was not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import killing
import pytest

COMPILER = shutil.which("cc")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "counting.c").write_text(killing.LIBRARY)
    made = folder / "counting.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", made, folder / "counting.c", "-ldl"], check=True)
    return made


def killed(*arguments: str | Path, **environment: str) -> list[int]:
    """Run `killing.py`, which fails where something is lost; return how often it has killed each way."""
    done = subprocess.run(
        [sys.executable, killing.__file__, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(count) for count in done.stdout.split()]


@pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a C compiler, and a loader as Linux has")
@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_durable_write_nothing_is_lost(step: int, library: Path, tmp_path: Path) -> None:
    counts = killed(*killing.WAYS, str(step), tmp_path, LD_PRELOAD=str(library), PYTHONDONTWRITEBYTECODE="1")
    assert all(count * step >= 10 for count in counts), f"each way writes oftener than {counts}"


@pytest.mark.parametrize("seeds", ["0-3", pytest.param("3-50", marks=pytest.mark.slow)])
def test_killed_at_random_times_nothing_is_lost(seeds: str, tmp_path: Path) -> None:
    killed(seeds, tmp_path)
