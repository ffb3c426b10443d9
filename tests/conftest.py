"""Settings of all tests: one thread, the same drawn examples in every run, and no test fails for being slow."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: threads that wait for each other spin

from hypothesis import settings

settings.register_profile("longlag", derandomize=True, deadline=None, database=None)
settings.load_profile("longlag")
