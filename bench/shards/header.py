"""The first line of a shard: which study its trials are of, and which share of them it is to hold."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

from longlag.plan.grid import checked_name
from longlag.plan.study import Study
from longlag.plan.written import content_of, study_from
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError
from longlag.values.plain import from_plain, to_plain
from longlag.values.trial import Trial

FORMAT = 1
"""Stands in the first line; raised when what lines hold changes its meaning."""
MOST_SHARES = 100_000
_SHARE = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Share:
    """A part of a study's trials, one of so many.

    Attributes:
        number: From 1.
        count: How many there are.
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str, label: str = "--shard") -> Self:
        """Read ``3/64``.

        Raises:
            UsageError: It is no share.
        """
        found = _SHARE.fullmatch(text)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count <= MOST_SHARES:
            rule = f"NUMBER/COUNT, such as 3/64, from 1/COUNT to COUNT/COUNT, COUNT at most {MOST_SHARES}"
            raise UsageError(f"{label} must be {rule}, not {text!r}")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Header:
    """What a shard says of itself.

    Attributes:
        shard: The format, `FORMAT`.
        study: The study's name.
        plan: `plan_digest` of all of its trials.
        definition: The study, as of `longlag.plan.written`.
        longlag: Version of the program that wrote it.
        command: Words of the command that trains all of the study, for messages.
        share: The share, as text; None where whatever a worker trained is appended.
    """

    shard: int
    study: str
    plan: str
    definition: dict[str, Any]
    longlag: str
    command: tuple[str, ...] = ()
    share: str | None = None

    @classmethod
    def of(cls, study: Study, command: Iterable[str] = (), share: Share | None = None) -> Self:
        """Return the header of a shard of a study."""
        said = None if share is None else str(share)
        words = tuple("".join(mark if mark.isprintable() else "?" for mark in word) for word in command)
        plan = plan_digest(study.trials())
        return cls(FORMAT, study.name, plan, content_of(study), version("longlag"), words, said)

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str) -> Self:
        """Make one of what a first line holds.

        Raises:
            StoreError: It does not describe a shard of this or an older format.
        """
        known = values.get("shard")
        if isinstance(known, int) and known > FORMAT:
            raise StoreError(f"{where} was written by a newer longlag (shard format {known}, this one knows {FORMAT})")
        try:
            found: Self = from_plain(cls, dict(values))
            if found.share is not None:
                Share.read(found.share, "share")
            if not all(text.isprintable() for text in (found.plan, found.longlag, *found.command)):
                raise ValueError("texts of more than one line")
            checked_name(found.study)
        except ValueError as error:
            raise StoreError(f"{where}: its first line does not describe a shard ({error})") from None
        return found

    @property
    def line(self) -> dict[str, Any]:
        """What the first line holds."""
        return {**to_plain(self)}

    def make_study(self, where: str) -> Study:
        """Make the study again, and see that it has the trials that were planned.

        Raises:
            UsageError: It does not: tasks or cells have other versions here, a plugin is missing, or it is no study.
        """
        study = study_from(self.study, self.definition, where)
        if plan_digest(study.trials()) != self.plan:
            of = "" if self.longlag == version("longlag") else f" {self.longlag}"
            raise UsageError(
                f"{where}: its trials are not those that this longlag plans for the same study: longlag{of} wrote it, "
                "with other versions of tasks, cells or plugins"
            )
        return study


def plan_digest(trials: Iterable[Trial]) -> str:
    """Return sixteen hexadecimal digits from the keys of a plan's trials, whatever their order."""
    return hashlib.sha256("\n".join(sorted(trial.key for trial in trials)).encode()).hexdigest()[:16]
