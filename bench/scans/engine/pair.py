"""The equations of one time step and their derivative, for one unit of one sequence.

The loops of `scan` are compiled once for each class of pairs, chosen by the class of a value without contents.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from numba import types
from numba.extending import NativeValue, models, overload, register_model, typeof_impl, unbox

from longlag.scans.engine.compiler import INLINE, ROUNDED, inlined, rounded


class Pair(ABC):
    """A declaration and two pure functions: tuples of numbers in, tuples of numbers out, + - * / and `functions`.

    ``pre`` holds a number for each gate: input projection plus recurrent product, or, for a gate without one and for
    those in ``apart``, the input projection only. The products that stand apart are in ``apart``, and ``vectors`` holds
    the weights that a unit has for itself.
    """

    gates: ClassVar[int]
    """Blocks of the input projection."""
    products: ClassVar[int | None] = None
    """Blocks of the recurrent weight, products of a time step: by default one a gate; 0 where units see only
    themselves, and there is no recurrent weight."""
    apart: ClassVar[int] = 0
    """How many of the products, the last ones, are needed by themselves; the others are added to the first gates.
    The candidate of the GRU has one, which is gated before it is added."""
    apart_bias: ClassVar[str] = ""
    """The name of the bias of those products, (apart · H,), where they have one."""
    apart_state: ClassVar[int] = 0
    """The state that those products multiply; the others multiply the first."""
    vectors: ClassVar[int] = 0
    """Numbers that a unit has for itself. A constant is one, too, whose gradient nobody asks for and may be left 0."""
    vector_names: ClassVar[tuple[str, ...]] = ()
    """The names of the tensors that hold them, (H,) each or several side by side."""
    kept: ClassVar[int]
    """Numbers that the forward function keeps for the backward function; at most one a gate."""
    states: ClassVar[int]
    """States; the first is the output h, where `outputs` is 1."""
    outputs: ClassVar[int] = 1
    """States, the first ones, that are handed on at every time step."""

    @staticmethod
    @abstractmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Return the states after the step, and what is kept, from the states before."""

    @staticmethod
    @abstractmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Return the gradients of ``pre``, ``apart``, ``before`` and ``vectors``, from those of the states after.

        What reaches the states before through recurrent products is left out: the scan adds it.
        """


class PairType(types.Type):  # type: ignore[misc]
    """The type of a pair in compiled code; values of it are empty."""

    def __init__(self, kernel: type[Pair]) -> None:
        super().__init__(name=f"{kernel.__module__}.{kernel.__qualname__}")
        self.kernel = kernel


register_model(PairType)(models.OpaqueModel)


@typeof_impl.register(Pair)
def _type_of(value: Pair, _context: Any) -> PairType:
    return _type_of_class(type(value))


@cache
def _type_of_class(kernel: type[Pair]) -> PairType:
    """Return the one type of a class; asked for at every call of compiled code."""
    return PairType(kernel)


@unbox(PairType)
def _unbox(_type: Any, _value: Any, of: Any) -> NativeValue:
    return NativeValue(of.context.get_dummy_value())


def forward(kernel: Any, pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
    """Call a kernel's forward function, from compiled code.

    Args:
        kernel: The kernel.
        pre: What its gates get from inputs and states, a tuple.
        apart: What it gets from states apart from that, a tuple.
        before: The states before the step, a tuple.
        vectors: Its weights by unit, a tuple.
    """


def backward(kernel: Any, grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
    """Call a kernel's backward function, from compiled code.

    Args:
        kernel: The kernel.
        grads: By the states after the step, a tuple.
        kept: What the way there has kept, a tuple.
        apart: As of `forward`.
        before: The states before the step, a tuple.
        after: Those after it, a tuple.
        vectors: Its weights by unit, a tuple.
    """


def load(kernel: Any, what: Any, array: Any, t: Any, unit: Any) -> Any:
    """Return ``array[:n, t, unit]`` as a tuple, n being what the kernel declares under the name ``what``.

    Args:
        kernel: The kernel.
        what: The name of its declaration.
        array: (n, T, units).
        t: The time step.
        unit: The unit.
    """


def store(array: Any, t: Any, unit: Any, values: Any) -> None:
    """Write a tuple of n numbers to ``array[:n, t, unit]``.

    Args:
        array: (n, T, units).
        t: The time step.
        unit: The unit.
        values: The numbers.
    """


def add(array: Any, unit: Any, values: Any) -> None:
    """Add a tuple of n numbers to ``array[:n, 0, unit]``, n at most 3."""


@overload(forward, jit_options=INLINE, strict=False)
def _choose_forward(kernel: Any, pre: Any, apart: Any, before: Any, vectors: Any) -> Callable[..., Any]:
    chosen = rounded(kernel.kernel.forward)
    return lambda kernel, pre, apart, before, vectors: chosen(pre, apart, before, vectors)


@overload(backward, jit_options=INLINE, strict=False)
def _choose_backward(
    kernel: Any, grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any
) -> Callable[..., Any]:
    chosen = rounded(kernel.kernel.backward)
    return lambda kernel, grads, kept, apart, before, after, vectors: chosen(grads, kept, apart, before, after, vectors)


# Tuples are spelled out: a loop over their length would keep the loop over units from being vectorised.
_LOAD: tuple[Callable[..., Any], ...] = (
    inlined(lambda a, t, u: ()),
    inlined(lambda a, t, u: (a[0, t, u],)),
    inlined(lambda a, t, u: (a[0, t, u], a[1, t, u])),
    inlined(lambda a, t, u: (a[0, t, u], a[1, t, u], a[2, t, u])),
    inlined(lambda a, t, u: (a[0, t, u], a[1, t, u], a[2, t, u], a[3, t, u])),
)


@overload(load, jit_options=INLINE, prefer_literal=True, strict=False)
def _choose_load(kernel: Any, what: Any, array: Any, t: Any, unit: Any) -> Callable[..., Any] | None:
    if not isinstance(what, types.StringLiteral):
        return None
    chosen = _LOAD[getattr(kernel.kernel, what.literal_value)]
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


@overload(add, jit_options=ROUNDED, strict=False)
def _choose_add(array: Any, unit: Any, values: Any) -> Callable[..., Any]:
    def one(array: Any, unit: Any, values: Any) -> None:
        array[0, 0, unit] += values[0]

    def two(array: Any, unit: Any, values: Any) -> None:
        array[0, 0, unit] += values[0]
        array[1, 0, unit] += values[1]

    def three(array: Any, unit: Any, values: Any) -> None:
        array[0, 0, unit] += values[0]
        array[1, 0, unit] += values[1]
        array[2, 0, unit] += values[2]

    return (lambda array, unit, values: None, one, two, three)[len(values)]
