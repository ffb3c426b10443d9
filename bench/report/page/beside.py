"""The content of a page beside its studies, as values: the packages that know the files read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from longlag.report.page.table import Table


@dataclass(frozen=True)
class Question:
    """A question of a claim with its verdict, as texts.

    Attributes:
        name: The number of the claim and the letter of the rule.
        asks: What is asked, as a statement.
        verdict: The verdict.
        effect: The effect with its interval and minimum; empty for exact verdicts.
        n: On how many trials or networks it rests.
        rule: How it is decided, and what else is shown on demand: a name and a text each.
    """

    name: str
    asks: str
    verdict: str
    effect: str
    n: str
    rule: list[tuple[str, str]]


@dataclass(frozen=True)
class Claim:
    """A claim with its questions."""

    number: int
    sentence: str
    questions: list[Question]


@dataclass(frozen=True)
class Claims:
    """The claims that were judged.

    Attributes:
        about: Where they are from and how verdicts are read.
        remarks: What the reader must know of verdicts that are shown otherwise than they stand, or not at all.
        claims: The claims, by number.
    """

    about: str
    remarks: list[str]
    claims: list[Claim]


@dataclass(frozen=True)
class Past:
    """A study's past: its baseline, and checks against it.

    Attributes:
        heading: Which baseline; empty if it cannot be used.
        last: The result of the last check; empty without one.
        remarks: What the reader must know.
        differences: The stored results beside the baseline, with intervals; None if no setting has both.
        explanation: How to read the differences.
        events: What was accepted and checked when, the latest first; None without a baseline that can be used.
    """

    heading: str
    last: str
    remarks: list[str]
    differences: Table | None = None
    explanation: str = ""
    events: Table | None = None


@dataclass(frozen=True)
class Beside:
    """The content of a page beside its studies.

    Attributes:
        claims: The claims that were judged in the folder of results; None if none were.
        pasts: What is known from before, by the name of the study; only of studies that have a baseline.
    """

    claims: Claims | None = None
    pasts: Mapping[str, Past] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """Where that comes from.

    Attributes:
        digest: A hash of everything that `read` depends on.
        read: Reads it, which takes seconds; only a page that is made needs it.
    """

    digest: str = ""
    read: Callable[[], Beside] = Beside
