"""The contract of every task.

Shape letters, used all over the project: S trials in a cohort, B sequences in a batch, T time steps, I inputs,
H hidden units, O outputs, P parameters; N scored steps of a batch, M judged answers of a batch.
Time comes before batch: a batch of tokens is (T, B), of vectors (T, B, I).
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Self, final

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.support.data import data_label
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.losses import LOSSES
from longlag.tasks.support.options import Configurable, Range, option, options_of

__all__ = ["Batch", "ClassTask", "Later", "Range", "Task", "UsageError", "as_tokens", "data_label", "option"]


class Later(Mapping[str, Tensor]):
    """Arrays of whole numbers by name, computed when one is first read.

    Training reads no slices: for short sequences they would be a third of the cost of a batch.

    >>> slices = Later(lambda: {"distance": np.array([3, 5])})
    >>> slices["distance"]
    tensor([3, 5])
    """

    def __init__(self, compute: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Store the function that computes them; the arrays that ``compute`` reads must not change afterwards."""
        self._compute = compute

    @cached_property
    def _found(self) -> dict[str, Tensor]:
        return {name: as_tokens(values) for name, values in self._compute().items()}

    def __getitem__(self, name: str) -> Tensor:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class Batch:
    """Sequences, their targets, and the slices by which answers can be grouped.

    Attributes:
        inputs: (T, B) int64 tokens, or (T, B, I) float32.
        targets: (N,) int64 classes or (N, O) float32 values, for the scored steps in time-major order: those of the
            first step, by sequence, then those of the next. May be given as (T, B) or (T, B, O): the mask then selects
            the scored ones, in this order.
        mask: (T, B) bool, the steps that enter the loss; N of them are true.
        lengths: (B,) int64, the time steps of each sequence where they differ; None where all have T.
        decoder_inputs: (T', B) int64, if the task has an `output_sequence`: the input of a decoder for each symbol that
            it writes, first the class `output_size`, which no symbol has, then the previous symbols. Without them a
            decoder reads its own outputs.
        slices: By name, numbers by which judged answers are grouped, (M,) int64; `Later` if they take time to compute.
        headline: (M,) bool, the answers that enter the error; None where all do. The others show in slices only.
        notes: Further data for the task's own `errors`.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    lengths: Tensor | None = None
    decoder_inputs: Tensor | None = None
    slices: Mapping[str, Tensor] = field(default_factory=dict)
    headline: Tensor | None = None
    notes: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dense = self.targets.ndim == (3 if self.targets.is_floating_point() else 2)
        if dense and self.targets.shape[:2] == self.mask.shape:
            object.__setattr__(self, "targets", self.targets[self.mask])

    @cached_property
    def scored(self) -> Tensor:
        """(N,) int64, the scored steps as positions in the flattened (T·B)."""
        return torch.from_numpy(np.flatnonzero(self.mask.numpy(force=True))).to(self.mask.device)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with every tensor changed: to another device, another dtype."""
        return replace(
            self,
            inputs=change(self.inputs),
            targets=change(self.targets),
            mask=change(self.mask),
            lengths=None if self.lengths is None else change(self.lengths),
            decoder_inputs=None if self.decoder_inputs is None else change(self.decoder_inputs),
            slices={name: change(value) for name, value in self.slices.items()},
            headline=None if self.headline is None else change(self.headline),
            notes={name: change(value) for name, value in self.notes.items()},
        )


@dataclass(frozen=True)
class Task(Configurable, ABC):
    """A stateless source of batches with a distance dial, a loss and an error (lower is better, 0 is perfect)."""

    kind: ClassVar[str] = "task"
    reference: ClassVar[str]
    tokens: ClassVar[bool]
    """Whether inputs are int64 tokens below `input_size`, rather than vectors of `input_size` numbers."""
    dial: ClassVar[str] = ""
    """The option that sets the distance, a whole number or a range; empty where no option does."""
    no_dial: ClassVar[str] = ""
    """Why no option sets the distance, and what to use instead, in a few words; empty where one does."""
    baseline_rule: ClassVar[str] = ""
    """The rule without memory that beats every constant answer, in words; empty where `baseline_error` is the error of
    the best constant."""
    looks_ahead: ClassVar[bool] = False
    """Whether the deciding input comes after the question. Windows then reach forward: they begin with the step that
    answers, all steps before it are seen as well, and `baseline_error` is the best error of reading left to right."""
    output_sequence: ClassVar[bool] = False
    """Whether the answers form a sequence, one class per step without a gap, which a decoder can write after it has
    read the steps before the first answer. Any other network answers at the steps themselves."""
    loss_name: ClassVar[str] = ""
    """The loss, by its name in `longlag.tasks.support.losses`; empty if the task overrides `loss`, which autograd
    differentiates."""
    reduction: ClassVar[str]
    """The loss and its average, in words: they scale gradients, and so the effect of a clip's threshold."""

    @property
    @abstractmethod
    def error_name(self) -> str:
        """The error's name with its unit, for axis labels: ``wrong symbols (share)``."""

    @property
    @abstractmethod
    def causal(self) -> bool:
        """Whether inputs after a scored step reveal its target, so that only left-to-right networks are admitted.

        Later inputs that reveal only the time, such as the blanks of a recall, do not make a task causal.
        """

    @property
    @abstractmethod
    def input_size(self) -> int:
        """The vocabulary size of token inputs; otherwise the size of an input vector."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """The size of the network's output at a step."""

    @property
    def data(self) -> str:
        """A label of the data that is read from files, from `data_label`: a part of every trial's key.

        Empty where the task reads no files but its own source.
        """
        return ""

    @property
    @abstractmethod
    def length(self) -> int:
        """Time steps of the longest sequence."""

    @property
    @abstractmethod
    def lag(self) -> int:
        """The distance dial, in time steps."""

    @property
    def min_lag(self) -> int:
        """The smallest window, in time steps, with which `solved_below` can be reached."""
        return bisect_left(range(self.length + 1), True, key=lambda window: self.floor(window) < self.solved_below)

    @property
    @abstractmethod
    def solved_below(self) -> float:
        """The error below which the task counts as solved; it is below every partial floor."""

    @abstractmethod
    def floor(self, window: int) -> float:
        """The best error of a left-to-right network that knows the time and sees only the last ``window`` steps.

        The last of them is the step at which it answers. For a task that `looks_ahead` it is the best error with all
        steps up to the one that answers and ``window`` steps from that one on.
        """

    @property
    @abstractmethod
    def partial_floors(self) -> Mapping[str, float]:
        """The best error with one operand or part known, by its name; empty where no part helps."""

    @property
    def baseline_error(self) -> float:
        """The error of the best answer without any memory."""
        return self.floor(0)

    @abstractmethod
    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        """Draw a batch.

        Args:
            generator: The only source of randomness.
            batch_size: Sequences to draw.
            held_out: Draw for evaluation, where sequences that the task keeps out of training may occur.
        """

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the training loss, a scalar, from outputs (N, O) at the scored steps: by default the named loss."""
        return LOSSES[self.loss_name](outputs, batch.targets)

    @final
    @property
    def closed_loss(self) -> str:
        """The name of the loss where its gradient is known in closed form; empty where the task computes its own."""
        return self.loss_name if type(self).loss is Task.loss else ""

    @abstractmethod
    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the error of each judged answer, (M,), from outputs (N, O) at the scored steps."""

    def score(self, error: float) -> float:
        """1 for no error, 0 at the floor, negative (and not cut) above it."""
        return 1 - error / self.baseline_error

    def example(self) -> Batch | None:
        """A fixed batch whose answers are worth storing, read by `read_example`; most tasks have none."""
        return None

    def read_example(self, outputs: Tensor) -> dict[str, float]:
        """Name the numbers to store, from outputs (N, O) on `example`."""
        raise NotImplementedError(f"{self.name()} has no example")

    @classmethod
    def check_dial(cls) -> None:
        """Check that the dial can be set.

        Raises:
            UsageError: It names no option, or one that is not a whole number or a range with limits on both sides.
        """
        if not cls.dial:
            return
        options = options_of(cls)
        what = f"class {cls.__name__}: dial = {cls.dial!r}"
        if cls.dial not in options:
            raise UsageError(f"{what} names no option{near(cls.dial, options) or '; options: ' + ', '.join(options)}")
        option = options[cls.dial]
        if option.type not in (int, Range):
            raise UsageError(f"{what} must name a whole number or a range, not {option.default!r}")
        if option.low is None or option.high is None:
            raise UsageError(f"{what} must name an option with both limits, low and high")

    @property
    def dial_range(self) -> tuple[int, int]:
        """The smallest and the largest setting of the dial."""
        option = options_of(type(self))[self.dial]
        assert option.low is not None  # `check_dial` refuses a dial without limits
        assert option.high is not None
        return int(option.low), int(option.high)

    def turned(self, setting: int) -> Self:
        """Return the task with its dial at another setting.

        Raises:
            UsageError: The setting is out of range, or the task's other options do not allow it.
        """
        ranged = isinstance(getattr(self, self.dial), Range)
        return replace(self, **{self.dial: Range(setting, setting) if ranged else setting})

    @property
    def token_names(self) -> Sequence[str] | None:
        """How input tokens are written; None where they are numbers."""
        return None

    @property
    def word_tokens(self) -> Mapping[str, int] | None:
        """The tokens of words, of inputs and outputs alike, where the task is a language model; None elsewhere."""
        return None

    @property
    def class_names(self) -> Sequence[str] | None:
        """How target classes are written; None where they are numbers."""
        return None

    def carried(self, batch: Batch) -> Tensor:
        """Return which inputs must be carried to the answers, (T, B) bool; all false by default."""
        return torch.zeros_like(batch.mask)

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor | None:
        """Return the right answer at each sequence's last scored step, computed from its inputs; None by default.

        A task implements it if the sequence still has a right answer after any symbol is replaced by another one.

        Args:
            inputs: (T, B) int64 tokens, or (T, B, I) float32.
            last: (B,) int64, that step.

        Returns:
            (B,) int64 classes or (B, O) float32 values; None where the task does not implement it.
        """
        return None


class ClassTask(Task, ABC):
    """A task whose answers are classes: the highest output is the answer, and an error is 0 or 1."""

    loss_name: ClassVar[str] = "cross_entropy"

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs.argmax(1) != batch.targets).to(outputs.dtype)


def as_tokens(array: np.ndarray) -> Tensor:
    """Turn an integer array into int64."""
    whole = np.ascontiguousarray(array, np.int64)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())
