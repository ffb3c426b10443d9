"""What every lens promises.

A lens is a pure function of a network, the parameters of one trial and sequences drawn from a stream of their own. It
reads and changes nothing else, so that no number of a trial depends on whether it ran. Lags are counted back from the
last scored step of each sequence, in time steps: lag k is the step k before it.
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
    """What a lens looks at.

    Attributes:
        network: The network.
        row: (P,), the parameters of one trial.
        task: Its task.
        batches: The sequences, in pieces that bound memory.
        clip: Its clipping setting.
        backward: How its backward pass goes in training.
    """

    network: AnyNetwork
    row: Tensor
    task: Task
    batches: Sequence[Batch]
    clip: Clip
    backward: Backward


class Lens(ABC):
    """One way to look into a network."""

    version: ClassVar[int] = 1
    """Raised where the meaning of its numbers changes: stored ones of another version count as missing."""
    summary: ClassVar[str]
    """What it shows, in one line."""
    reference: ClassVar[str]
    """Where it comes from."""
    sees_clip: ClassVar[bool] = False
    """Whether what it finds depends on the clip, with the parameters given."""

    @classmethod
    def name(cls) -> str:
        """The word users write: the name of the file."""
        return cls.__module__.rpartition(".")[2]

    def refusal(self, subject: Subject) -> str:
        """Say why a network has not what the lens looks at; nothing where it has."""
        return ""

    @abstractmethod
    def frame(self, subject: Subject) -> Found:
        """Look.

        Args:
            subject: A network that `refusal` says nothing against.
        """

    def look(self, subject: Subject) -> Found:
        """Look at a network that may not have what the lens looks at.

        Raises:
            UsageError: It has not.
        """
        if why := self.refusal(subject):
            raise UsageError(f"lens {self.name()}: {why}")
        return self.frame(subject)
