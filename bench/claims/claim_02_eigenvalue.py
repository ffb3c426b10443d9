"""Is "the largest eigenvalue below 1" the condition? Two settings that say which wording is right."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, exhibited
from longlag.claims.support.jacobians import Plain, random_plain
from longlag.values.seeding import stream

UNITS, STEPS, MATRICES, NETWORKS = 16, 30, 50, 200
LONG = 200
"""Steps through the triangular matrices: enough to see them fade."""
RADIUS, ABOVE = 0.9, 3.0
"""Spectral radius of the triangular matrices, and the size of what stands beside their diagonal."""
GROWS, FADES = 2.0, 0.5


def judge_growth(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``radius`` < 1 < ``s_max`` and ``growth``, the largest signal over all lags as a multiple of that at 0."""
    shown = (frame["radius"] < 1) & (frame["s_max"] > 1) & (frame["growth"] >= GROWS)
    best = frame.iloc[int(frame["growth"].to_numpy().argmax())]
    numbers = {name: float(best[name]) for name in ("radius", "s_max", "growth", "lag", "last")} | {"steps": LONG}
    return exhibited(shown.tolist()).told(**numbers)


def judge_logistic(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``s_max`` between 1 and 4 and ``step``, by which the signal is multiplied a step back, on average."""
    inside = frame[(frame["s_max"] > 1) & (frame["s_max"] < 4)]
    verdict = exhibited((inside["step"] <= FADES).tolist())
    return verdict.told(slowest=float(inside["step"].max()), bound=float(inside["s_max"].max() / 4))


class Eigenvalue(Claim):
    """Shown: the wording with eigenvalues is too weak, and the wording with 1 too strong for the sigmoid."""

    sentence: ClassVar[str] = "The gradient vanishes if the largest eigenvalue of the recurrent matrix is below 1"
    paper: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 2: the largest singular value, below 1 / g"
    boundary: ClassVar[str] = f"networks of 2 to 24 units over {STEPS} to {LONG} steps, as drawn; nothing is trained"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "a largest eigenvalue below 1 does not keep the gradient from growing over a finite lag",
            f"of {MATRICES} triangular matrices with spectral radius {RADIUS:g} one whose signal, through a tanh "
            f"network near 0, grows to {GROWS:g} times or more",
            f"no such matrix: then the eigenvalue might be the right word over {LONG} steps",
            "A matrix of spectral radius {radius:.2f} and s_max {s_max:.2f} lets the signal grow {growth:.3g} times "
            "over {lag:.0f} steps; after {steps} it is at {last:.2g} times. What is sufficient is a largest "
            "*singular value* below 1; a largest eigenvalue below 1 decides only as the lag goes to infinity.",
            judge_growth,
        ),
        Rule(
            "b",
            "with the logistic function the gradient fades although the largest singular value is above 1",
            f"of {NETWORKS} logistic networks those with s_max between 1 and 4: one whose signal halves at every "
            "step; their bound a step is s_max / 4",
            "no such network",
            "In {shown} of {n} logistic networks with s_max between 1 and 4 the signal is halved, or worse, at each "
            "step; the slowest keeps {slowest:.2f} of it a step. The bound there is s_max / 4, so that the condition "
            "is s_max < 4, not 1.",
            judge_logistic,
        ),
    )

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Compute both."""
        grown, lags = _triangular()
        return {"a": grown, "b": _logistic(), "lags": lags}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the signal through the triangular matrices by lag."""
        return Picture(frames["lags"], "steps back", "signal, of that at the answer", "y")


def _triangular() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, lags = [], []
    for place in range(MATRICES):
        generator = stream("claims", "triangular").generator(place)
        beside = np.triu(generator.standard_normal((UNITS, UNITS)), 1) * ABOVE / UNITS**0.5
        matrix = np.diag(generator.uniform(-RADIUS, RADIUS, UNITS)) + beside
        matrix[0, 0] = RADIUS
        held = Plain("tanh", matrix, 1e-6 * generator.standard_normal((LONG + 1, 1, UNITS))).signal()[:, 0]
        radius, s_max = float(np.abs(np.linalg.eigvals(matrix)).max()), float(np.linalg.norm(matrix, 2))
        best = int(held.argmax())
        rows.append(
            {"matrix": place, "radius": radius, "s_max": s_max, "growth": held[best], "lag": best} | {"last": held[-1]}
        )
        lags += [{"panel": "spectral radius .9", "series": "tanh", "x": lag, "y": held[lag]} for lag in range(LONG + 1)]
    return pd.DataFrame(rows), pd.DataFrame(lags)


def _logistic() -> pd.DataFrame:
    rows = []
    for place in range(NETWORKS):
        network = random_plain(place, "sigmoid", STEPS + 1)
        held = network.signal()[-1].max() ** (1 / STEPS)
        rows.append({"network": place, "s_max": 4 * network.factor, "step": float(held)})
    return pd.DataFrame(rows)
