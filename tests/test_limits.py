"""Code of others that does not end is stopped, also where the first alarm is lost."""

import contextlib
import signal
import time

import pytest

from bench.limits import TookTooLongError, time_limit


def test_what_takes_too_long_is_stopped_and_no_alarm_is_left() -> None:
    with pytest.raises(TookTooLongError, match=r"took longer than 0\.01 s"), time_limit(0.01):
        time.sleep(60)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_that_was_swallowed_rings_again() -> None:
    def deaf() -> None:
        with contextlib.suppress(TookTooLongError):
            time.sleep(60)
        time.sleep(60)

    with pytest.raises(TookTooLongError), time_limit(0.01):
        deaf()
