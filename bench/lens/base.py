"""The contract of every lens.

A lens is a pure function of a network, the parameters of one trial and sequences drawn from a separate stream. It reads
and changes nothing else, so that no number of a trial depends on whether it ran. Lags are counted back from the last
scored step of each sequence, in time steps: lag k is k steps before it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.clips.base import Clip
from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Batch, Task
from longlag.tasks.support.errors import UsageError
from longlag.values.backward import Backward
from longlag.values.frames import Found


@dataclass(frozen=True, eq=False)
class Subject:
    """The input of a lens: a network, and the sequences to run it on.

    Attributes:
        network: The network.
        row: (P,), the parameters of one trial.
        task: The trial's task.
        batches: The sequences, in pieces that bound memory.
        clip: The trial's clipping setting.
        backward: The rules of its backward pass in training.
    """

    network: AnyNetwork
    row: Tensor
    task: Task
    batches: Sequence[Batch]
    clip: Clip
    backward: Backward


class Lens(ABC):
    """A measurement inside a network."""

    version: ClassVar[int] = 1
    """Raised when the meaning of its numbers changes: stored frames of another version count as missing."""
    summary: ClassVar[str]
    """What it shows, in one line."""
    reference: ClassVar[str]
    """The source: paper, and section or equation."""
    sees_clip: ClassVar[bool] = False
    """Whether its numbers depend on the clip, for given parameters."""

    @classmethod
    def name(cls) -> str:
        """The word users write: the name of the file."""
        return cls.__module__.rpartition(".")[2]

    def refusal(self, subject: Subject) -> str:
        """Return why the lens does not apply to a network; empty where it does."""
        return ""

    @abstractmethod
    def frame(self, subject: Subject) -> Found:
        """Return the numbers and tables of a network.

        Args:
            subject: A network that `refusal` accepts.
        """

    def look(self, subject: Subject) -> Found:
        """Return the numbers and tables of a network, after a check that the lens applies to it.

        Raises:
            UsageError: The lens does not apply.
        """
        if why := self.refusal(subject):
            raise UsageError(f"lens {self.name()}: {why}")
        return self.frame(subject)
