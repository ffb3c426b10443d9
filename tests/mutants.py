"""Plants the faults of `mutants.toml` in copies of the package, one at a time, and says which the tests see.

    python tests/mutants.py [--list FILE] [--workers 2] [WORD ...]    only those with one of the words in name or file

A fault is seen if one of the tests that are named beside it fails with it, or never ends, and passes without. Exit code
1 where one is not, 2 where a test fails by itself.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

TESTS = Path(__file__).parent
LIST = TESTS / "mutants.toml"
MOST_SECONDS = 360
"""The tests named beside a fault take less: what runs longer never ends."""
_ENDLESS = " never end"
PRELOADED = ["torch", "numba", "scipy.stats", "pandas", "click.testing", "pytest"]
"""What every run of tests loads, and no fault is planted in: loaded once, in the process that runs are forked from."""
PROCESSES = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Mutant:
    """One edit: in a file of the package, a text that occurs once becomes another."""

    name: str
    file: str
    what: str
    by: str
    tests: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """The files of its tests."""
        return [f"tests/{name}.py" for name in self.tests]

    def planted(self, text: str) -> str:
        """Return a file's text with the fault in it.

        Raises:
            ValueError: What is to be replaced does not occur exactly once.
        """
        if (count := text.count(self.what)) != 1:
            raise ValueError(f"{self.name}: {self.what!r} occurs {count} times in {self.file}, not once")
        return text.replace(self.what, self.by)


def mutants(path: Path = LIST) -> list[Mutant]:
    """Read a list."""
    entries = tomllib.loads(path.read_text())["mutant"]
    return [Mutant(**(entry | {"tests": tuple(entry["tests"])})) for entry in entries]


def copied(folder: Path) -> Path:
    """Copy the package and its tests, so that a process in the folder imports the copy; return the package's folder."""
    from package_copies import copy_package  # here: a forked process must not have loaded the package itself

    shutil.copytree(TESTS, folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TESTS.parent / "pyproject.toml", folder)
    return copy_package(folder)


class FirstFailure:
    """A plugin of pytest that remembers the first test that failed."""

    name: str | None = None

    def pytest_runtest_logreport(self, report):
        if report.failed and self.name is None:
            self.name = report.nodeid

    def pytest_collectreport(self, report):
        self.pytest_runtest_logreport(report)


def _run(folder: Path, tests: Sequence[str], told: Connection) -> None:
    """Run tests in a process of their own, up to the first that fails; tell pytest's exit code and that test's name."""
    import pytest

    os.chdir(folder)
    os.environ |= {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "compiled")}
    sys.path[0] = str(folder)
    os.environ["PYTHONPATH"] = str(folder)  # workers do not look for the package in the current folder
    sys.dont_write_bytecode = True  # a file of the same second and size would be taken for the one before
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    first = FirstFailure()
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[first])
    told.send((int(code), first.name))


def failing(folder: Path, tests: Sequence[str], most_seconds: float = MOST_SECONDS) -> str | None:
    """Run tests up to the first that fails or never ends; return its name (of one that never ends, its files), or None.

    Raises:
        RuntimeError: They did not run.
    """
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_run, args=(folder, tests, theirs))
    process.start()
    theirs.close()
    try:
        code, name = ours.recv() if ours.poll(most_seconds) else (0, " ".join(tests) + _ENDLESS)
    except EOFError:
        code, name = -1, None
    process.kill()
    if code and not name:
        raise RuntimeError(f"the tests did not run: {(folder / 'output').read_text()[-2000:]}")
    return name


def tried(mutant: Mutant, folders: "SimpleQueue[Path]") -> tuple[str | None, float]:
    """Plant a fault in one of the copies; return the test that sees it, and the seconds that took."""
    folder, started = folders.get(), time.monotonic()
    path = folder / "longlag" / mutant.file
    plain = path.read_text()
    try:
        path.write_text(mutant.planted(plain))
        return failing(folder, mutant.files), time.monotonic() - started
    finally:
        path.write_text(plain)
        folders.put(folder)


def plant(chosen: Sequence[Mutant], workers: int) -> int:
    """Plant faults, and print a line for each; return the exit code."""
    started, count, seeing = time.monotonic(), 0, set[str]()
    with tempfile.TemporaryDirectory() as place:
        folders: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            folder = Path(place) / str(number)
            folder.mkdir()
            package = copied(folder)
            for mutant in chosen:  # before anything runs
                mutant.planted((package / mutant.file).read_text())
            folders.put(folder)
        with ThreadPoolExecutor(workers) as pool:
            for mutant, (by, seconds) in zip(chosen, pool.map(lambda one: tried(one, folders), chosen), strict=True):
                print(
                    f"{'seen' if by else 'NOT SEEN'}  {seconds:3.0f} s  {mutant.name}: {by or mutant.file}", flush=True
                )
                if by:
                    count += 1
                    seeing.update(mutant.files if by.endswith(_ENDLESS) else [by])
        if seeing and (alone := failing(folders.get(), sorted(seeing), count * MOST_SECONDS)):
            print(f"{alone} fails without any fault, too")
            return 2
    print(f"{count} of {len(chosen)} faults are seen, in {(time.monotonic() - started) / 60:.1f} minutes")
    return int(count < len(chosen))


def main() -> int:
    """Plant what is asked for."""
    parser = argparse.ArgumentParser(description="Plant faults, one at a time, and see which the tests see.")
    parser.add_argument("words", nargs="*", help="only faults with one of these in their name or file")
    parser.add_argument("--list", type=Path, default=LIST, help="another list of faults, in the form of this one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    chosen = [
        one
        for one in mutants(asked.list)
        if not asked.words or any(word in one.name + one.file for word in asked.words)
    ]
    PROCESSES.set_forkserver_preload(PRELOADED)
    return plant(chosen, asked.workers)


if __name__ == "__main__":
    sys.exit(main())
