"""The claims and baselines that a page shows beside its studies; `longlag.cli.reports.beside` reads the files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from longlag.report.page.table import Table


@dataclass(frozen=True)
class Question:
    """A question of a claim with its verdict, as texts.

    Attributes:
        name: The number of the claim and the letter of the rule.
        asks: The statement in question.
        verdict: The verdict.
        effect: The effect with its interval and minimum; empty for exact verdicts.
        n: The number of trials or networks that the verdict rests on.
        rule: The rule and other details that are shown on demand, a name and a text for each.
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
        about: The origin of the claims, and how to read verdicts.
        remarks: Remarks on verdicts that are shown differently from their file, or not at all.
        claims: The claims, by number.
    """

    about: str
    remarks: list[str]
    claims: list[Claim]


@dataclass(frozen=True)
class Past:
    """A study's baseline, and earlier checks against it.

    Attributes:
        heading: The name of the baseline; empty if the baseline cannot be used.
        last: The result of the last check; empty without a check.
        remarks: Remarks on how far the comparison can be trusted, or why the baseline cannot be used.
        differences: The stored results beside the baseline, with intervals; None if no setting has both.
        explanation: How to read the differences.
        events: Acceptances and checks with their times, the latest first; None without a usable baseline.
    """

    heading: str
    last: str
    remarks: list[str]
    differences: Table | None = None
    explanation: str = ""
    events: Table | None = None


@dataclass(frozen=True)
class Beside:
    """The claims and baselines that a page shows beside its studies.

    Attributes:
        claims: The claims that were judged in the folder of results; None if none were.
        pasts: The baseline and checks of each study that has a baseline, by the study's name.
    """

    claims: Claims | None = None
    pasts: Mapping[str, Past] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """The source of a `Beside`.

    Attributes:
        digest: A hash of everything that `read` depends on.
        read: Reads the files, which takes seconds; it is called only when a page is made.
    """

    digest: str = ""
    read: Callable[[], Beside] = Beside
