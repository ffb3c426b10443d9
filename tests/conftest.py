"""Settings of all tests: one thread, the same drawn examples in every run, and no test fails for being slow."""

import gc
import multiprocessing
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: threads that wait for each other spin

import pytest
from hypothesis import settings

from longlag.perf.memory import PRELOADED

settings.register_profile("longlag", derandomize=True, deadline=None, database=None)
settings.load_profile("longlag")
gc.set_threshold(100_000)  # imports, tests and compilers make millions of objects that stay


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One process more than cores: a fifth of the time a test waits for processes that it has started."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True, scope="session")
def server_of_processes():
    """Load into the one server that processes are forked from what workers need, and what measured processes do."""
    loaded = [*PRELOADED, "longlag.training.cohort", "numba.np.arraymath"]
    multiprocessing.get_context("forkserver").set_forkserver_preload(loaded)


@pytest.fixture(scope="module")
def nothing_drawn():
    """Let runs in this process draw neither figures nor a page: for tests that are about something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longlag.report.figures.all.draw_figures", lambda *_: [])
        patch.setattr("longlag.cli.training.page_of", lambda *_: "")
        yield
