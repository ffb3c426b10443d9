"""The equations of one time step and their derivative, for one unit of one sequence.

The loops of `scan` are compiled once for each subclass of `Pair`; an instance holds nothing and only selects the code.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from numba import types
from numba.extending import NativeValue, models, overload, register_model, typeof_impl, unbox

from longlag.scans.engine.compiler import INLINE, ROUNDED, inlined, rounded


class Pair(ABC):
    """A declaration and two pure functions of tuples of numbers, which use only + - * / and `functions`.

    The argument ``pre`` holds a number for each gate: its input projection plus its recurrent product; the input
    projection only if the gate has no product, or if its product is in ``apart``. ``apart`` holds the products that
    stand apart, and ``vectors`` the weights that a unit has for itself.
    """

    gates: ClassVar[int]
    """The number of blocks of the input projection."""
    products: ClassVar[int | None] = None
    """The number of blocks of the recurrent weight, that is, of products in a time step: by default one a gate; 0 if
    there is no recurrent weight."""
    apart: ClassVar[int] = 0
    """How many of the products, the last ones, stand apart: the kernel gets them separately, while the others are added
    to the first gates. The candidate of the GRU has one, which is gated before it is added."""
    apart_bias: ClassVar[str] = ""
    """The name of the bias of the products that stand apart, (apart · H,); empty if they have none."""
    apart_state: ClassVar[int] = 0
    """The state that the products apart multiply; the others multiply the first state."""
    vectors: ClassVar[int] = 0
    """How many numbers a unit has for itself. Constants of the equations count; their gradients may be left 0."""
    vector_names: ClassVar[tuple[str, ...]] = ()
    """The names of the tensors that hold these numbers, (H,) each, or several side by side."""
    kept: ClassVar[int]
    """How many numbers the forward function keeps for the backward function; at most one a gate."""
    states: ClassVar[int]
    """The number of states; the first one is the output h if `outputs` is 1."""
    outputs: ClassVar[int] = 1
    """How many states, the first ones, are outputs of every time step."""

    @staticmethod
    @abstractmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Return the states after the step, and the numbers kept for the backward function."""

    @staticmethod
    @abstractmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Return the gradients by ``pre``, ``apart``, ``before`` and ``vectors``, from those by the states after.

        The scan itself adds the gradients that reach the states before through recurrent products.
        """


class PairType(types.Type):  # type: ignore[misc]
    """The type of a pair in compiled code; its values are empty."""

    def __init__(self, kernel: type[Pair]) -> None:
        super().__init__(name=f"{kernel.__module__}.{kernel.__qualname__}")
        self.kernel = kernel


register_model(PairType)(models.OpaqueModel)


@typeof_impl.register(Pair)
def _type_of(value: Pair, _context: Any) -> PairType:
    return _type_of_class(type(value))


@cache
def _type_of_class(kernel: type[Pair]) -> PairType:
    """Return the type of a class; cached, as every call of compiled code looks it up."""
    return PairType(kernel)


@unbox(PairType)
def _unbox(_type: Any, _value: Any, of: Any) -> NativeValue:
    return NativeValue(of.context.get_dummy_value())


def forward(kernel: Any, pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
    """Call a kernel's forward function, from compiled code.

    Args:
        kernel: The kernel.
        pre: The pre-activations of its gates, a tuple.
        apart: The products that stand apart, a tuple.
        before: The states before the step, a tuple.
        vectors: The weights that the unit has for itself, a tuple.
    """


def backward(kernel: Any, grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
    """Call a kernel's backward function, from compiled code.

    Args:
        kernel: The kernel.
        grads: The gradients by the states after the step, a tuple.
        kept: The numbers that the forward function has kept, a tuple.
        apart: The products that stand apart, a tuple.
        before: The states before the step, a tuple.
        after: The states after the step, a tuple.
        vectors: The weights that the unit has for itself, a tuple.
    """


def load(kernel: Any, what: Any, array: Any, t: Any, unit: Any) -> Any:
    """Return ``array[:n, t, unit]`` as a tuple, where the kernel declares n under the name ``what``.

    Args:
        kernel: The kernel.
        what: The name of one of the kernel's counts, such as ``states``.
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


# Tuples are written out: with a loop over their length, the loop over units would not be vectorised.
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
