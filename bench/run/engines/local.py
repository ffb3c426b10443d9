"""The engine of one machine: a worker is a process here."""

from longlag.run.engines.base import Engine
from longlag.run.engines.worker import Plugins, Worker


class LocalEngine(Engine):
    """Trains cohorts in processes of this machine, each with one thread."""

    def hire(self) -> Worker:
        """Start a process."""
        return Worker(self.train, Plugins.here())
