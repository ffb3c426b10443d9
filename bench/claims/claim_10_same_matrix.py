"""All deep networks have the problem; networks that multiply by the same matrix again and again have it worse."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Effect, Verdict, decide
from longlag.values.seeding import stream

UNITS = 16
DEPTHS = (8, 11, 16, 23, 32, 45, 64)
BETWEEN = 0.75
"""Halfway between 1/2, the slope of a sum of independent logarithms, and 1, that of the same one over and over."""
RESAMPLES = 4000


def judge_both(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge whether the spread grows with depth where every layer has its own matrix: its slope is the effect."""
    effect, tied = _slopes(frame, bar, lambda tied, untied: untied)
    return decide(effect, frame["stack"].nunique(), bar).told(untied=effect.estimate, tied=tied, depths=len(DEPTHS))


def judge_tied(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge whether the slopes lie on both sides of `BETWEEN`: the effect is the smaller of the two distances."""
    effect, tied = _slopes(frame, bar, lambda tied, untied: np.minimum(tied - BETWEEN, BETWEEN - untied))
    untied, _ = _slopes(frame, bar, lambda tied, untied: untied)
    return decide(effect, frame["stack"].nunique(), bar).told(untied=untied.estimate, tied=tied)


class SameMatrix(Claim):
    """Of products of random matrices; nothing is trained."""

    sentence: ClassVar[str] = (
        "All deep networks have the problem; RNNs are especially unstable because the same matrix is multiplied "
        "again and again"
    )
    paper: ClassVar[str] = "Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013; Furstenberg & Kesten 1960"
    boundary: ClassVar[str] = f"products of Gaussian {UNITS}-by-{UNITS} matrices, depths {DEPTHS[0]} to {DEPTHS[-1]}"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "without tied matrices, too, gradients spread ever further with depth",
            "SD of log ‖J‖ over random stacks at each depth; the slope of its logarithm over log depth, with a "
            "bootstrap over stacks",
            "a spread that hardly grows: a slope below .25",
            "With a matrix of its own for every layer the SD of log ‖J‖ grows as depth^{untied:.2f}.",
            judge_both,
            0.25,
            "slope",
        ),
        Rule(
            "b",
            "with one matrix for all layers it spreads faster: its slope lies above .75, the other below",
            "both slopes from the same stacks: the smaller of the distances from .75",
            "slopes on the same side of .75",
            "With one matrix for all layers it grows as depth^{tied:.2f}, with one each as depth^{untied:.2f}.",
            judge_tied,
            0.1,
            "slope, the smaller distance from .75",
        ),
    )

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Multiply matrices."""
        stacks = {10: 400, 60: 2000, 600: 10_000}[evidence.tier]
        found = pd.DataFrame([row for place in range(stacks) for row in _stack(place)])
        return {"a": found, "b": found}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the spread by depth."""
        spread = frames["a"].groupby(["kind", "depth"])["log_norm"].std().reset_index()
        points = spread.rename(columns={"kind": "series", "depth": "x", "log_norm": "y"}).assign(panel="")
        return Picture(points, "layers", "SD of log ‖J‖", "xy")


def _stack(place: int) -> list[dict[str, object]]:
    """Return log ‖J‖ of two random stacks at every depth: one matrix for all layers, and one each."""
    generator = stream("claims", "stacks").generator(place)
    matrices = generator.standard_normal((DEPTHS[-1], UNITS, UNITS)) / UNITS**0.5
    rows: list[dict[str, object]] = []
    for kind in ("tied", "untied"):
        product, log_scale = np.eye(UNITS), 0.0
        for depth in range(1, DEPTHS[-1] + 1):
            product = product @ matrices[0 if kind == "tied" else depth - 1]
            norm = float(np.linalg.norm(product, 2))
            log_scale, product = log_scale + np.log(norm), product / norm
            if depth in DEPTHS:
                rows.append({"stack": place, "kind": kind, "depth": depth, "log_norm": log_scale})
    return rows


def _slopes(frame: pd.DataFrame, bar: Bar, effect: object) -> tuple[Effect, float]:
    """Return an effect made of both slopes, with its bootstrap interval over stacks, and the slope where tied."""
    assert callable(effect)
    wide = frame.pivot_table(index="stack", columns=["kind", "depth"], values="log_norm")
    values = np.stack([wide[kind].to_numpy() for kind in ("tied", "untied")])  # (2, stacks, depths)
    depths = np.log(wide["tied"].columns.to_numpy(dtype=float))
    count = values.shape[1]
    drawn = stream("claims", "stacks", "bootstrap").generator().multinomial(count, np.full(count, 1 / count), RESAMPLES)
    weights = np.concatenate([np.ones((1, count)), drawn])
    means = weights @ values / count  # (2, R, depths)
    spread = np.sqrt(weights @ values**2 / count - means**2)
    with np.errstate(divide="ignore", invalid="ignore"):  # of few stacks a resample may be one of them, over and over
        tied, untied = (np.log(spread) @ (depths - depths.mean())) / ((depths - depths.mean()) ** 2).sum()
    found = effect(tied, untied)
    low, high = np.quantile(found[1:], [bar.level / 2, 1 - bar.level / 2])
    return Effect(float(found[0]), float(low), float(high)), float(tied[0])
