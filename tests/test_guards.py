"""Code of others that does not end is stopped, also where the first alarm is lost; what it raises is one line."""

import contextlib
import signal
import time

import pytest

from longlag.process.guards import TookTooLongError, one_line, time_limit


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


def test_an_exception_of_several_lines_is_one_and_not_long() -> None:
    assert one_line(ValueError("too long:\n  6 steps")) == "ValueError: too long: 6 steps"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line(ValueError("x" * 10_000))) < 400
