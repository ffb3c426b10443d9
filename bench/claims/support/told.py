"""Turns verdicts into the frame that reports are made of, and writes page and figures."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from longlag.claims.base import LECTURE, Claim
from longlag.claims.support.answering import Answer
from longlag.claims.support.stored import Entry

FIGURES = "figures"


def frame_of(entries: Sequence[Entry], tier: int, seconds: Mapping[int, float]) -> pd.DataFrame:
    """Return a row a rule of a tier, today's rules only, by claim and rule."""
    rows = []
    for entry in entries:
        if entry["tier"] == tier and not entry.get("superseded"):
            estimate, low, high = entry["effect"] or (None, None, None)
            rows.append(
                {**entry, "estimate": estimate, "low": low, "high": high, "seconds": seconds.get(entry["claim"])}
            )
    frame = pd.DataFrame(rows)
    numbers = ["estimate", "low", "high", "minimum", "seeds_needed", "seconds"]
    return frame if frame.empty else frame.astype(dict.fromkeys(numbers, "float64"))


def not_told(claims: Sequence[Claim], verdicts: pd.DataFrame) -> list[tuple[int, str, str]]:
    """Return claims without a verdict: number, sentence and why."""
    there = set() if verdicts.empty else set(verdicts["claim"])
    why = "not in this tier: it has no rule yet"
    return [
        (claim.number(), claim.sentence, why if not claim.rules else "no verdict: trials failed")
        for claim in claims
        if claim.number() not in there
    ]


def draw(answer: Answer, verdicts: pd.DataFrame, folder: Path) -> Path:
    """Draw a claim's figure and write it."""
    from longlag.report.claims import figure

    number = answer.claim.number()
    of = verdicts[verdicts["claim"] == number]
    picture = answer.claim.picture(answer.frames)
    points = (picture.points, picture.x, picture.y, picture.log) if picture else (None,)
    path = folder / FIGURES / f"{number:02}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.draw(of, *points).savefig(path, dpi=130)
    return path


def write_page(claims: Sequence[Claim], verdicts: pd.DataFrame, folder: Path, tier: int) -> Path:
    """Write the page of all verdicts of a tier.

    Args:
        claims: All claims.
        verdicts: As of `frame_of`.
        folder: Of claims, in which the figures lie.
        tier: The tier.
    """
    from longlag.report.claims.page import About, page

    about = {
        claim.number(): About(
            claim.paper,
            f"{FIGURES}/{claim.number():02}.png" if (folder / FIGURES / f"{claim.number():02}.png").is_file() else None,
            {rule.name: rule.decides for rule in claim.rules},
            {rule.name: rule.falsified for rule in claim.rules},
        )
        for claim in claims
    }
    path = folder / "claims.md"
    path.write_text(page(verdicts, about, _head(tier)), encoding="utf-8")
    return path


def _head(tier: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("longlag", "torch", "numpy", "numba"))
    return (
        f"{LECTURE}. Tier {tier}; {versions}; Python {platform.python_version()}, {platform.machine()}.\n\n"
        "An effect is signed so that the claim says it is above 0. *Holds*: its interval excludes 0 and not "
        "the minimum. "
        "*Fails*: it excludes the minimum. *Cannot tell*: neither. Time: seconds that workers spent, by the clock.\n"
    )
