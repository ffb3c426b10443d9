"""Settings of all tests: one thread, the same drawn examples in every run, and no test fails for being slow."""

import gc
import multiprocessing
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: threads that wait for each other spin

import pytest
from hypothesis import settings

from longlag.perf.memory import PRELOADED
from longlag.run.engines import worker

settings.register_profile("longlag", derandomize=True, deadline=None, database=None)
settings.load_profile("longlag")
gc.set_threshold(100_000)  # imports, tests and compilers make millions of objects that stay


@pytest.fixture(autouse=True, scope="session")
def workers_with_libraries_loaded():
    """Fork the workers of this process from a server that has loaded their libraries; a command spawns its own."""
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload([*PRELOADED, "longlag.training.cohort", "numba.np.arraymath"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "PROCESSES", forked)
        yield
