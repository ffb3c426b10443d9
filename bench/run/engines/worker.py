"""One worker process: the coordinator's handle on it, and the code that runs in it."""

import contextlib
import fcntl
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from longlag import registry
from longlag.process import provenance
from longlag.process.guards import one_line, place
from longlag.process.own_code import Origin, Sources
from longlag.registry.sources import have_seen, seen
from longlag.run.engines.cohort import Train, plugins_of
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial, TrialResult

PROCESSES = (
    multiprocessing.get_context("forkserver") if sys.platform == "linux" else multiprocessing.get_context("spawn")
)
"""How a worker starts: forked from a server that has loaded the libraries, which takes 0.01 s where a fresh process
takes 2 s. On other systems libraries do not survive a fork, and workers are fresh processes."""
PROCESSES.set_forkserver_preload(["longlag.training.cohort", "numba.np.arraymath"])
_NOT_FROM_HERE = "PYTHONSAFEPATH"
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Plugins:
    """The plugins that a worker uses.

    Attributes:
        paths: Their files.
        digests: The digest of each.
        seen: The sources of these plugins and of those that packages offer; workers need not collect them again.
    """

    paths: Sequence[str]
    digests: Sequence[str]
    seen: Mapping[Origin, tuple[str, Sources]]

    @classmethod
    def here(cls) -> Self:
        """Return the plugins of this process."""
        return cls([made.path for made in registry.used()], [made.digest for made in registry.used()], seen())


class WorkerError(Exception):
    """A worker did not finish its cohort.

    Attributes:
        timed_out: Whether it ran past its time.
        can_go_on: Whether it only raised, and can take another cohort.
        environment: The worker's environment, for the row.
    """

    def __init__(self, reason: str, *, timed_out: bool = False, can_go_on: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out
        self.can_go_on = can_go_on
        self.environment = provenance.environment()


class Worker:
    """A process that trains one cohort after another.

    After a cohort with plugins a new process takes its place, so that nothing that the user's code did to the old
    process can reach the next cohort.
    """

    def __init__(self, train: Train, plugins: Plugins) -> None:
        self._serves = train, plugins
        self._lock = threading.Lock()
        self._is_killed = self._has_run_plugins = False
        self._start()

    def _start(self) -> None:
        self._connection, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_serve, args=(theirs, *self._serves), daemon=True)
        _start(self._process)
        theirs.close()

    def _renew(self) -> None:
        with self._lock:
            if not self._is_killed:
                _end(self._process)
                self._connection.close()
                self._start()

    def kill(self) -> None:
        """End the process, even a stopped one, and all processes that it has started."""
        with self._lock:
            self._is_killed = True
            _end(self._process)

    def _receive(self) -> Any:
        """Return the next message.

        Raises:
            EOFError: The process has ended; what it forked may still hold the pipe.
        """
        wait([self._connection, self._process.sentinel])
        if not self._connection.poll():
            raise EOFError
        return self._connection.recv()

    def train(self, trials: Sequence[Trial], timeout_seconds: float) -> Iterator[TrialResult]:
        """Train a cohort and yield its results as they come.

        Raises:
            WorkerError: The worker raised, died or ran past the time; results yielded before remain valid.
        """
        if self._has_run_plugins:
            self._renew()
        self._has_run_plugins = any(trial.plugins for trial in trials)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.kill()

        # A timer and not a poll with a deadline: a worker stopped halfway through a message would block the read.
        timer = threading.Timer(timeout_seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            self._connection.send(tuple(trials))
            while not isinstance(message := self._receive(), _Done):
                yield message
        except (EOFError, OSError, pickle.UnpicklingError):
            self.kill()
            self._process.join()
            if expired.is_set():
                raise WorkerError(f"took longer than {timeout_seconds:g} s", timed_out=True) from None
            raise WorkerError(
                f"the worker process ended with exit code {_with_signal(self._process.exitcode)}"
            ) from None
        finally:
            timer.cancel()
        if message.error:
            raise WorkerError(message.error, can_go_on=True)


_STARTING = threading.Lock()


def _start(process: BaseProcess) -> None:
    """Start a process.

    The first call also starts the server from which processes are forked. That server computes with one thread, and
    does not look for libraries in the current folder, which may hold a file such as ``copy.py``.
    """
    names = (*_ONE_THREAD, _NOT_FROM_HERE)
    with _STARTING:
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(dict.fromkeys(names, "1"))
        try:
            process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _end(process: BaseProcess) -> None:
    """Kill a worker's process, and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has no group yet, or has none any more
        if process.pid is not None:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _with_signal(code: int | None) -> str:
    """Return an exit code with the name of the signal that it stands for.


    ('7', '-11 (SIGSEGV)')
    """
    if code is None or code >= 0:
        return str(code)
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "an unknown signal"
    return f"{code} ({name}{', as when memory runs out' if -code == signal.SIGKILL else ''})"


class _Done:
    """The last message about a cohort."""

    def __init__(self, error: str | None = None) -> None:
        self.error = error


def _serve(connection: Connection, train: Train, plugins: Plugins) -> None:
    """Train the cohorts that come through the pipe until it closes; the main function of the process.

    Args:
        connection: The pipe.
        train: The function that trains a cohort.
        plugins: The plugins to use.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator, which decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()  # a group of its own, so that processes that it starts can be ended with it
    os.dup2(2, 1)  # what plugins print does not belong to the command's output
    _end_with_parent()
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # before torch loads
    os.environ.pop(_NOT_FROM_HERE, None)  # not meant for programs that plugins start
    send = _of_this_process(connection.send)
    environment = provenance.environment()
    have_seen(plugins.seen)
    with contextlib.suppress(EOFError):
        while True:
            trials: tuple[Trial, ...] = connection.recv()
            try:
                # Loaded here, so that the cohort's time limit stops a plugin that hangs.
                if len(registry.used()) < len(plugins.paths):
                    registry.use(plugins.paths, plugins.digests)
                train(trials, send, environment)
                done = _Done()
            except (Exception, SystemExit) as error:  # whatever a task or cell raises becomes the row's reason
                done = _Done(_reason(error, trials))
            send(done)


def _of_this_process(send: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a function that sends messages of this process, and ends any process that user code forked from it."""
    owner = os.getpid()

    def checked(message: Any) -> None:
        if os.getpid() != owner:
            os._exit(0)
        send(message)

    return checked


def _reason(error: BaseException, trials: Sequence[Trial]) -> str:
    """Return an exception in one line, with the plugins' files where neither its message nor its trace names them."""
    line = one_line(error)
    if isinstance(error, UsageError) or place(error) or not (used := plugins_of(trials)):
        return line
    return f"plugin {', '.join(sorted(made.path for made in used))}: {line}"


def _end_with_parent() -> None:
    """Make this process and its group end when the coordinator ends.

    A thread waits for the coordinator's end. On Linux the system also sends the group SIGIO when the coordinator's pipe
    closes. That signal ends a process without a handler for it, even while code holds the interpreter's lock.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, fcntl.fcntl(parent.sentinel, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
