"""The engine of a Ray cluster: a worker is a process on one of its nodes, like those that `local` starts here.

Ray places an actor of one CPU for each worker and carries results; the actor holds the process that trains, so that
time limits, retries and reasons are those of every engine. An actor that is lost with its node is a lost worker.

Needs Ray Core 2.10 or later, an extra of this package, which is loaded when a run asks for it.
"""

import importlib
import logging
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from longlag.process.guards import one_line
from longlag.run.engines.base import Engine
from longlag.run.engines.cohort import Train
from longlag.run.engines.worker import Plugins, Worker, WorkerError
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial, TrialResult

STORE_BYTES = 100_000_000
"""The size of Ray's object store on this machine. It holds only results on their way, which are small."""
CONNECT_SECONDS = 5.0
"""The time within which an address must answer."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Keeps Ray on the loopback address if it runs on this machine alone; Ray reads it when it is imported."""


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs.

    Attributes:
        address: ``HOST:PORT`` of a cluster's head, or ``auto`` for the one that this machine belongs to; None to start
            one on this machine alone, which listens on its loopback address only.
        workers: The most workers to use; None for one per CPU.
    """

    address: str | None = None
    workers: int | None = None


class RayEngine(Engine):
    """Trains cohorts on the nodes of the cluster that this process is attached to.

    Attributes:
        memory: Bytes of memory that Ray reserves for each worker.
    """

    def __init__(self, workers: int, timeout_seconds: float, train: Train, memory: int = 0) -> None:
        super().__init__(workers, timeout_seconds, train)
        self.memory = memory

    def hire(self) -> "RayWorker":
        """Ask for an actor; it waits while no slot is free."""
        return RayWorker(self.train, Plugins.here(), self.memory)


class RayWorker:
    """A worker on some node.

    Args:
        train: The function that trains a cohort.
        plugins: The plugins to use; their files have the same paths on every node.
        memory: Bytes of memory that Ray reserves for it.
    """

    def __init__(self, train: Train, plugins: Plugins, memory: int) -> None:
        ray = _ray()
        self._actor: Any = ray.remote(_Host).options(num_cpus=1, memory=memory, max_restarts=0).remote(train, plugins)

    def kill(self) -> None:
        """End the actor, and with it the process that it holds."""
        _ray().kill(self._actor)

    def train(self, trials: Sequence[Trial], timeout_seconds: float) -> Iterator[TrialResult]:
        """Train a cohort and yield its results as they come.

        Raises:
            WorkerError: The process or its node was lost, raised or ran past the time.
        """
        ray = _ray()
        try:
            for reference in self._actor.train.options(num_returns="streaming").remote(tuple(trials), timeout_seconds):
                message = ray.get(reference)
                if isinstance(message, WorkerError):
                    raise message
                yield message
        except ray.exceptions.RayError as error:
            raise WorkerError(f"a worker of the cluster was lost: {one_line(error)}") from error


class _Host:
    """The actor on a node: it holds one process, which ends with it."""

    def __init__(self, train: Train, plugins: Plugins) -> None:
        self._serves = train, plugins
        self._worker: Worker | None = None

    def train(self, trials: Sequence[Trial], timeout_seconds: float) -> Iterator[TrialResult | WorkerError]:
        """Yield the results of the process, and last the error if it did not finish."""
        self._worker = self._worker or Worker(*self._serves)
        try:
            yield from self._worker.train(trials, timeout_seconds)
        except WorkerError as lost:
            yield lost


@contextmanager
def attached(cluster: Cluster) -> Iterator[int]:
    """Attach this process to a cluster, or start one, and yield the number of workers to use.

    Args:
        cluster: The cluster.

    Raises:
        UsageError: Ray is not installed, or nothing answers at the address.
    """
    wanted = _QUIET | (_ALONE if cluster.address is None else {})
    os.environ.update({name: value for name, value in wanted.items() if name not in os.environ})
    try:
        ray = _ray()
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'longlag[ray]'") from None
    arguments = _arguments(cluster)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **arguments)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"--engine ray: {one_line(error)}") from error
    try:
        slots = int(ray.cluster_resources().get("CPU", 0))
        if not slots:
            raise UsageError(f"--address {cluster.address}: the cluster has no CPU")
        yield min(cluster.workers or slots, slots)
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Return Ray, untyped: it is an extra, and where it is missing there are no types to check against."""
    return importlib.import_module("ray")


def _arguments(cluster: Cluster) -> dict[str, Any]:
    """Return the arguments that tell Ray which cluster to attach to or to start."""
    if cluster.address is not None:
        _check_answers(cluster.address)
        return {"address": cluster.address}
    return {
        "address": "local",
        "num_cpus": cluster.workers or os.cpu_count(),
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }


def _check_answers(address: str) -> None:
    """Refuse an address at which nothing listens.

    Raises:
        UsageError: Nothing listens there, or the text is not an address.
    """
    if address == "auto":
        return
    parts = re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})", address)
    if not parts or not 0 < int(parts[2]) < 2**16:
        raise UsageError(f"--address must be auto or HOST:PORT, not {address!r}")
    try:
        socket.create_connection((parts[1].strip("[]"), int(parts[2])), CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"--address {address}: nothing answers there ({error.strerror or error})") from None
