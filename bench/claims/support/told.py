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
NOT_ASKED = "not in this tier: --tier 60 asks it"


def highest(entries: Sequence[Entry]) -> dict[int, int]:
    """Return the highest tier in which each claim was judged by its present rule: what page, rows and figures show."""
    found: dict[int, int] = {}
    for entry in entries:
        if not entry.get("superseded"):
            found[entry["claim"]] = max(entry["tier"], found.get(entry["claim"], 0))
    return found


def frame_of(entries: Sequence[Entry], tiers: Mapping[int, int], seconds: Mapping[int, float]) -> pd.DataFrame:
    """Return a row a rule, today's rules only, by claim and rule.

    Args:
        entries: Stored verdicts.
        tiers: Of which tier, by the number of a claim; others are left out.
        seconds: What each claim took.
    """
    rows = []
    for entry in entries:
        if entry["tier"] == tiers.get(entry["claim"]) and not entry.get("superseded"):
            estimate, low, high = entry["effect"] or (None, None, None)
            rows.append(
                {**entry, "estimate": estimate, "low": low, "high": high, "seconds": seconds.get(entry["claim"])}
            )
    frame = pd.DataFrame(rows)
    numbers = ["estimate", "low", "high", "minimum", "seeds_needed", "seconds"]
    return frame if frame.empty else frame.astype(dict.fromkeys(numbers, "float64"))


def not_told(claims: Sequence[Claim], verdicts: pd.DataFrame, tier: int) -> list[tuple[int, str, str]]:
    """Return claims without a verdict in a tier: number, sentence and why."""
    there = set() if verdicts.empty else set(verdicts["claim"])
    return [
        (claim.number(), claim.sentence, "no verdict: trials failed" if claim.asked_in(tier) else NOT_ASKED)
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


def write_page(claims: Sequence[Claim], verdicts: pd.DataFrame, folder: Path) -> Path:
    """Write the page of all verdicts.

    Args:
        claims: All claims.
        verdicts: As of `frame_of`, each claim in its `highest` tier.
        folder: Of claims, in which the figures lie.
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
    path.write_text(page(verdicts, about, _head()), encoding="utf-8")
    return path


def _head() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("longlag", "torch", "numpy", "numba"))
    return (
        f"{LECTURE}. {versions}; Python {platform.python_version()}, {platform.machine()}.\n\n"
        "An effect is signed so that the claim says it is above 0. *Holds*: its interval excludes 0 and not "
        "the minimum. "
        "*Fails*: it excludes the minimum. *Cannot tell*: neither. Time: seconds that workers spent, by the clock.\n"
    )
