"""exp, tanh, the logistic function and its logarithm without branches, so that loops run on the vector unit.

With n = round(x / ln 2) and r = x - n ln 2, so that |r| <= ln(2)/2: exp(x) = 2^n exp(r), and exp(r) - 1 is its
Taylor series. NaN gives NaN; Inf is clipped to the largest exponent and gives the function's limit.

log sigmoid(x) = min(x, 0) - log(1 + y) with y = exp(-|x|); and log(1 + y) = 2 artanh(q) with q = y / (2 + y) <= 1/3,
2 q times a power series in q².

The slopes, which follow from a function's value, are here too: with y = tanh(x), dy/dx = 1 - y².
"""

from collections.abc import Callable
from math import factorial, inf, log
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from longlag.scans.engine.compiler import INLINE, inlined

_LOG2E = 1 / log(2)
_SINGLE = {"lowest": -87.0, "highest": 88.0, "ln2": 0.693359375, "ln2_rest": -2.12194440e-4, "mantissa": 23}
_DOUBLE = {"lowest": -708.0, "highest": 709.0, "ln2": 0.69314718036912381649, "mantissa": 52}
_DOUBLE["ln2_rest"] = 1.90821492927058770002e-10  # ln 2 in two parts: n times the first is exact


@intrinsic
def _power_of_two(_context: Any, x: Any) -> Any:
    """Return 2^n for x = n + 1.5 · 2^mantissa: the lowest bits of such a number are n, and become the exponent."""
    bits, mantissa, bias = (32, 23, 127) if x == types.float32 else (64, 52, 1023)

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(bits)
        n = builder.shl(builder.bitcast(arguments[0], integer), integer(mantissa))
        return builder.bitcast(builder.add(n, integer(bias << mantissa)), arguments[0].type)

    return x(x), code


def _split_exp(x: Any) -> Any:
    """Return (s, m) with exp(x) = s (1 + m) and s a power of two."""


@overload(_split_exp, jit_options=INLINE)
def _choose_split_exp(x: Any) -> Callable[..., Any]:
    constants, real = (_SINGLE, np.float32) if x == types.float32 else (_DOUBLE, np.float64)
    lowest, highest, log2e = real(constants["lowest"]), real(constants["highest"]), real(_LOG2E)
    ln2, ln2_rest, large = real(constants["ln2"]), real(constants["ln2_rest"]), real(1.5 * 2 ** constants["mantissa"])
    c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13 = (real(1 / factorial(k)) for k in range(2, 14))

    @inlined
    def reduce(x: Any) -> Any:
        x = lowest if x < lowest else x
        x = highest if x > highest else x
        shifted = x * log2e + large  # rounds to a whole number
        n = shifted - large
        return _power_of_two(shifted), x - n * ln2 - n * ln2_rest

    def single(x: Any) -> Any:
        s, r = reduce(x)
        return s, r + r * r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7)))))

    def double(x: Any) -> Any:
        s, r = reduce(x)
        tail = c8 + r * (c9 + r * (c10 + r * (c11 + r * (c12 + r * c13))))
        return s, r + r * r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * (c7 + r * tail))))))

    return single if x == types.float32 else double


def _artanh(q: Any) -> Any:
    """Return the inverse hyperbolic tangent of a number between 0 and 1/3."""


@overload(_artanh, jit_options=INLINE)
def _choose_artanh(q: Any) -> Callable[..., Any]:
    real = np.float32 if q == types.float32 else np.float64
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15 = (real(1 / (2 * k + 1)) for k in range(16))

    def single(q: Any) -> Any:
        s = q * q
        return q * (c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * (c5 + s * (c6 + s * c7)))))))

    def double(q: Any) -> Any:
        s = q * q
        tail = c8 + s * (c9 + s * (c10 + s * (c11 + s * (c12 + s * (c13 + s * (c14 + s * c15))))))
        return q * (c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * (c5 + s * (c6 + s * (c7 + s * tail))))))))

    return single if q == types.float32 else double


@inlined
def exp(x: Any) -> Any:
    """Return the exponential of x, which is at least the smallest normal number unless x is -Inf."""
    s, m = _split_exp(x)
    return type(x)(0) if x == type(x)(-inf) else s + s * m


def _vanishes(x: Any) -> Any:
    """Return whether exp(x) is below half of the smallest number."""


@overload(_vanishes, jit_options=INLINE, strict=False)
def _choose_vanishes(x: Any) -> Callable[..., Any]:
    lowest = np.float32(-104.0) if x == types.float32 else np.float64(-745.2)
    return lambda x: x < lowest


@inlined
def vanishing_exp(x: Any) -> Any:
    """Return exp(x), or 0 where it is below the smallest number: 0 times Inf is NaN, a tiny factor times Inf is Inf."""
    y = exp(x)
    return type(x)(0) if _vanishes(x) else y


@inlined
def log_sigmoid(x: Any) -> Any:
    """Return log(1 / (1 + exp(-x))), also where the logistic function itself would be 0."""
    zero, two = type(x)(0), type(x)(2)
    y = exp(-abs(x))
    return (x if x < zero else zero) - two * _artanh(y / (two + y))


def _is_held(x: Any) -> Any:
    """Return whether `_split_exp` clips x to the largest exponent."""


@overload(_is_held, jit_options=INLINE, strict=False)
def _choose_is_held(x: Any) -> Callable[..., Any]:
    highest = np.float32(_SINGLE["highest"]) if x == types.float32 else np.float64(_DOUBLE["highest"])
    return lambda x: x > highest


@inlined
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), and 0 where exp(-x) would overflow: a tiny gate times Inf must not give Inf."""
    one = type(x)(1)
    s, m = _split_exp(-x)
    y = one / (one + (s + s * m))
    return type(x)(0) if _is_held(-x) else y


@inlined
def tanh(x: Any) -> Any:
    """Return (1 - e) / (1 + e) with e = exp(-2|x|) and the sign of x; 1 - e is computed without loss of digits."""
    one = type(x)(1)
    s, m = _split_exp(-abs(x + x))
    less = s * m + (s - one)  # e - 1
    y = less / (less + (one + one))
    return y if x < type(x)(0) else -y


@inlined
def sigmoid_slope(y: Any) -> Any:
    """Return the slope of the logistic function where its value is y."""
    return y - y * y


@inlined
def tanh_slope(y: Any) -> Any:
    """Return the slope of tanh where its value is y."""
    return type(y)(1) - y * y
