"""What a kernel is: the equations of one time step and their derivative, for one unit of one sequence.

The loops of `scan` are compiled once for each kernel class, chosen by the class of a value without contents.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from numba import types
from numba.extending import NativeValue, models, overload, register_model, typeof_impl, unbox

from bench.kernels.compiler import INLINE, inlined, rounded


class Kernel(ABC):
    """A declaration and two pure functions: tuples of numbers in, tuples of numbers out, + - * / and `functions`.

    ``pre`` holds a number for each gate: input projection plus recurrent product, or, for the gates in ``apart``,
    the input projection only. Their recurrent product, with a bias of its own, is in ``apart``.
    """

    gates: ClassVar[int]
    """Blocks of the input projection."""
    apart: ClassVar[int] = 0
    """How many of the gates, the last ones, need their recurrent product by itself: the candidate of the GRU,
    whose product is gated before it is added."""
    apart_bias: ClassVar[str] = ""
    """The name of the bias of those products, (apart · H,)."""
    kept: ClassVar[int]
    """Numbers that the forward function keeps for the backward function; at most one a gate."""
    states: ClassVar[int]
    """States; the first is the output h, and alone enters the recurrent product."""

    @staticmethod
    @abstractmethod
    def forward(pre: Any, apart: Any, before: Any) -> Any:
        """Return the states after the step, and what is kept, from the states before."""

    @staticmethod
    @abstractmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any) -> Any:
        """Return the gradients of ``pre``, ``apart`` and ``before``, from those of the states after the step.

        What reaches the states before through recurrent products is left out: the scan adds it.
        """


class KernelType(types.Type):  # type: ignore[misc]
    """The type of a kernel in compiled code; values of it are empty."""

    def __init__(self, kernel: type[Kernel]) -> None:
        super().__init__(name=f"{kernel.__module__}.{kernel.__qualname__}")
        self.kernel = kernel


register_model(KernelType)(models.OpaqueModel)


@typeof_impl.register(Kernel)
def _type_of(value: Kernel, _context: Any) -> KernelType:
    return _type_of_class(type(value))


@cache
def _type_of_class(kernel: type[Kernel]) -> KernelType:
    """Return the one type of a class; asked for at every call of compiled code."""
    return KernelType(kernel)


@unbox(KernelType)
def _unbox(_type: Any, _value: Any, of: Any) -> NativeValue:
    return NativeValue(of.context.get_dummy_value())


def forward(kernel: Any, pre: Any, apart: Any, before: Any) -> Any:
    """Call a kernel's forward function, from compiled code."""


def backward(kernel: Any, grads: Any, kept: Any, apart: Any, before: Any, after: Any) -> Any:
    """Call a kernel's backward function, from compiled code."""


def load(kernel: Any, what: Any, array: Any, t: Any, unit: Any) -> Any:
    """Return ``array[:n, t, unit]`` as a tuple, n being what the kernel declares under the name ``what``."""


def store(array: Any, t: Any, unit: Any, values: Any) -> None:
    """Write a tuple of n numbers to ``array[:n, t, unit]``."""


@overload(forward, jit_options=INLINE, strict=False)
def _choose_forward(kernel: Any, pre: Any, apart: Any, before: Any) -> Callable[..., Any]:
    chosen = rounded(kernel.kernel.forward)
    return lambda kernel, pre, apart, before: chosen(pre, apart, before)


@overload(backward, jit_options=INLINE, strict=False)
def _choose_backward(kernel: Any, grads: Any, kept: Any, apart: Any, before: Any, after: Any) -> Callable[..., Any]:
    chosen = rounded(kernel.kernel.backward)
    return lambda kernel, grads, kept, apart, before, after: chosen(grads, kept, apart, before, after)


# Tuples are spelled out: a loop over their length would keep the loop over units from being vectorised.
_LOAD: tuple[Callable[..., Any], ...] = (
    lambda a, t, u: (),
    lambda a, t, u: (a[0, t, u],),
    lambda a, t, u: (a[0, t, u], a[1, t, u]),
    lambda a, t, u: (a[0, t, u], a[1, t, u], a[2, t, u]),
    lambda a, t, u: (a[0, t, u], a[1, t, u], a[2, t, u], a[3, t, u]),
)


@overload(load, jit_options=INLINE, prefer_literal=True, strict=False)
def _choose_load(kernel: Any, what: Any, array: Any, t: Any, unit: Any) -> Callable[..., Any] | None:
    if not isinstance(what, types.StringLiteral):
        return None
    chosen = inlined(_LOAD[getattr(kernel.kernel, what.literal_value)])
    return lambda kernel, what, array, t, unit: chosen(array, t, unit)


@overload(store, jit_options=INLINE, strict=False)
def _choose_store(array: Any, t: Any, unit: Any, values: Any) -> Callable[..., Any]:
    def one(array: Any, t: Any, unit: Any, values: Any) -> None:
        array[0, t, unit] = values[0]

    def two(array: Any, t: Any, unit: Any, values: Any) -> None:
        array[0, t, unit], array[1, t, unit] = values[0], values[1]

    def three(array: Any, t: Any, unit: Any, values: Any) -> None:
        array[0, t, unit], array[1, t, unit], array[2, t, unit] = values[0], values[1], values[2]

    def four(array: Any, t: Any, unit: Any, values: Any) -> None:
        array[0, t, unit], array[1, t, unit], array[2, t, unit] = values[0], values[1], values[2]
        array[3, t, unit] = values[3]

    return (lambda array, t, unit, values: None, one, two, three, four)[len(values)]
