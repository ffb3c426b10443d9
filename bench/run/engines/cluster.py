"""The engine of a Ray cluster: a worker is a process on one of its nodes, the same as `local` starts here.

Ray places an actor of one CPU for each worker and carries results; the actor holds the process that trains, so that
time limits, retries and reasons are those of every engine. An actor that is lost with its node is a lost worker.

Ray Core of version 2.10 or later, an extra of this package; loaded when a run asks for it.
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
"""Of Ray's object store on this machine: results are small, and everything else stays where it is made."""
CONNECT_SECONDS = 5.0
"""Within which an address must answer."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What keeps an instance of this machine alone on its loopback address; read when Ray is imported."""


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs.

    Attributes:
        address: ``HOST:PORT`` of a cluster's head, or ``auto`` for the one that this machine belongs to; None to start
            one on this machine alone, which listens on its loopback address only.
        workers: The most that are wanted; None for one a CPU.
    """

    address: str | None = None
    workers: int | None = None


class RayEngine(Engine):
    """Trains cohorts on the nodes of the cluster that this process is attached to.

    Attributes:
        memory: Bytes that each worker is placed for.
    """

    def __init__(self, workers: int, timeout_seconds: float, train: Train, memory: int = 0) -> None:
        super().__init__(workers, timeout_seconds, train)
        self.memory = memory

    def hire(self) -> "RayWorker":
        """Ask for an actor; where no slot is free it waits for one."""
        return RayWorker(self.train, Plugins.here(), self.memory)


class RayWorker:
    """A worker on some node.

    Args:
        train: What it does with a cohort.
        plugins: Files to use, which lie at the same place on every node.
        memory: Bytes that it is placed for.
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
                found = ray.get(reference)
                if isinstance(found, WorkerError):
                    raise found
                yield found
        except ray.exceptions.RayError as error:
            raise WorkerError(f"a worker of the cluster was lost: {one_line(error)}") from error


class _Host:
    """An actor on a node: it holds one process, which ends with it."""

    def __init__(self, train: Train, plugins: Plugins) -> None:
        self._made = train, plugins
        self._worker: Worker | None = None

    def train(self, trials: Sequence[Trial], timeout_seconds: float) -> Iterator[TrialResult | WorkerError]:
        """Yield what the process reports, and what became of it last where it did not finish."""
        self._worker = self._worker or Worker(*self._made)
        try:
            yield from self._worker.train(trials, timeout_seconds)
        except WorkerError as lost:
            yield lost


@contextmanager
def attached(cluster: Cluster) -> Iterator[int]:
    """Attach this process to a cluster, or start it, and return how many workers it takes.

    Args:
        cluster: The cluster to attach to.

    Raises:
        UsageError: Ray is not installed, or nothing answers at the address.
    """
    wanted = _QUIET | (_ALONE if cluster.address is None else {})
    os.environ.update({name: value for name, value in wanted.items() if name not in os.environ})
    try:
        ray = _ray()
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'longlag[ray]'") from None
    where = _where(cluster)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
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
    """Return Ray, which is an extra: without it there are no types to check against."""
    return importlib.import_module("ray")


def _where(cluster: Cluster) -> dict[str, Any]:
    """Return how Ray is told which cluster is meant."""
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
        UsageError: Nothing does, or it is no address.
    """
    if address == "auto":
        return
    found = re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})", address)
    if not found or not 0 < int(found[2]) < 2**16:
        raise UsageError(f"--address must be auto or HOST:PORT, not {address!r}")
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"--address {address}: nothing answers there ({error.strerror or error})") from None
