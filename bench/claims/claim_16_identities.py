"""The gradient identities of the lecture's appendix, each against finite differences, and the code here that uses it.

Vectors are rows in the code, so that the lecture's W x is x @ W.T there.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, proved
from longlag.passes.losses import loss_and_gradient
from longlag.values.seeding import stream

TOLERANCE = 1e-7
STEP = 1e-5
DRAWS, ROWS, COLUMNS = 10, 4, 3

Array = np.ndarray


class Identity(NamedTuple):
    """An identity: a function, a point, and what the derivative there is said to be, as an (outputs, inputs) matrix."""

    spelled: str
    used_by: str
    function: Callable[[Array], Array]
    at: Array
    said: Array


def judge(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``difference``: the largest one of an entry from central differences, relative to the largest entry."""
    verdict = proved(frame["difference"].tolist(), TOLERANCE)
    return verdict.told(identities=frame["identity"].nunique())


class Identities(Claim):
    """Each is computed anew whenever it is asked for."""

    sentence: ClassVar[str] = "The gradient identities of the appendix"
    paper: ClassVar[str] = "the lecture's notes on gradients (Clark, Computing Neural Network Gradients)"
    boundary: ClassVar[str] = "float64, random points"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "each is what finite differences give",
            f"central differences with a step of {STEP:g} in float64, {DRAWS} random points each; the largest "
            f"difference of an entry is at most {TOLERANCE:g} of the largest",
            "an identity that is wrong, or a program that computes another",
            "{identities} identities at {n} random points: the largest relative difference from finite differences "
            "is {worst:.1e}.",
            judge,
        ),
    )

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Differentiate."""
        rows = []
        for place in range(DRAWS):
            for one in identities(place):
                found = finite_differences(one.function, one.at)
                difference = np.abs(found - one.said).max() / max(np.abs(one.said).max(), 1e-300)
                rows.append({"identity": one.spelled, "used_by": one.used_by, "point": place, "difference": difference})
        return {"a": pd.DataFrame(rows)}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the difference of each identity at each point."""
        shown = frames["a"].rename(columns={"identity": "series", "point": "x", "difference": "y"}).assign(panel="")
        return Picture(shown[["panel", "series", "x", "y"]], "random point", "relative difference", "y")


def finite_differences(function: Callable[[Array], Array], at: Array) -> Array:
    """Return the derivative of a function of an array by central differences, (outputs, inputs), both flattened.

    >>> finite_differences(lambda x: x**2, np.array([3.0])).round(6)
    array([[6.]])
    """
    columns = []
    for place in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[place] = STEP
        columns.append((function(at + shift) - function(at - shift)).ravel() / (2 * STEP))
    return np.stack(columns, axis=1)


def identities(place: int) -> list[Identity]:
    """Return every identity at a random point."""
    generator = stream("claims", "identities").generator(place)
    weight, other = generator.standard_normal((ROWS, COLUMNS)), generator.standard_normal((COLUMNS, ROWS))
    x, delta = generator.standard_normal(COLUMNS), generator.standard_normal(ROWS)
    across = np.asfortranarray(generator.standard_normal((COLUMNS, ROWS))).copy()
    targets = generator.integers(0, COLUMNS, ROWS)
    recurrent, projected = generator.standard_normal((COLUMNS, COLUMNS)), generator.standard_normal((5, COLUMNS))
    return [
        Identity("d(Wx)/dx = W", "networks/readout.py: go_back", lambda v: weight @ v, x, weight),
        Identity("d(xW)/dx = W^T", "scans/engine/layer.py: backward", lambda v: v @ other, x, other.T),
        Identity("dx/dx = I", "networks/layers.py: residual connections", lambda v: v.copy(), x, np.eye(COLUMNS)),
        Identity("df(x)/dx = diag f'(x)", "scans/kernels/rnn.py: Tanh", np.tanh, x, np.diag(1 - np.tanh(x) ** 2)),
        Identity(
            "d(delta . Wx)/dW = delta x^T", "scans/engine/layer.py: _by_weight",
            lambda w: np.array([delta @ (w @ x)]), weight,
            np.outer(delta, x).reshape(1, -1),
        ),
        Identity(
            "d(xW . delta)/dW = x^T delta", "scans/engine/layer.py: _add_chunk",
            lambda w: np.array([(x @ w) @ delta]), other, np.outer(x, delta).reshape(1, -1),
        ),
        Identity(
            "dL/dz = (softmax(z) - y) / N", "passes/losses.py: loss_and_gradient",
            lambda z: np.array([_loss(z, targets)[0]]), across, _loss(across, targets)[1].reshape(1, -1),
        ),
        Identity(
            "dh_T/dh_0 = prod diag(f') U^T", "scans/engine/layer.py: backward",
            lambda h: _last(h, projected, recurrent),
            0.3 * x, _chain(0.3 * x, projected, recurrent),
        ),
    ]  # fmt: skip


def _loss(outputs: Array, targets: Array) -> tuple[float, Array]:
    """Return the loss and its gradient as training computes them, outputs being (O, N)."""
    grads = np.empty_like(outputs)
    return loss_and_gradient("cross_entropy", outputs.copy(), targets, grads), grads


def _last(start: Array, projected: Array, recurrent: Array) -> Array:
    state = start
    for pre in projected:
        state = np.tanh(pre + state @ recurrent)
    return state


def _chain(start: Array, projected: Array, recurrent: Array) -> Array:
    """Return the product of the Jacobians of the steps."""
    state, product = start, np.eye(len(start))
    for pre in projected:
        state = np.tanh(pre + state @ recurrent)
        product = np.diag(1 - state**2) @ recurrent.T @ product
    return product
