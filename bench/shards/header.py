"""The first line of a shard: the study that its trials belong to, and the share of them that it is for."""

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
"""The version in the first line; raised when the meaning of lines changes."""
MOST_SHARES = 100_000
_SHARE = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Share:
    """One of several parts of a study's trials.

    Attributes:
        number: Its number, from 1.
        count: The number of shares.
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str, label: str = "--shard") -> Self:
        """Read ``3/64``.

        Raises:
            UsageError: The text is not a share.
        """
        match = _SHARE.fullmatch(text)
        number, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= count <= MOST_SHARES:
            rule = f"NUMBER/COUNT, such as 3/64, from 1/COUNT to COUNT/COUNT, COUNT at most {MOST_SHARES}"
            raise UsageError(f"{label} must be {rule}, not {text!r}")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Header:
    """The content of a shard's first line.

    Attributes:
        shard: The format, `FORMAT`.
        study: The study's name.
        plan: `plan_digest` of all of its trials.
        definition: The study, as `longlag.plan.written` writes it.
        longlag: The version of the program that wrote the shard.
        command: The words of the command that trains the whole study, for messages.
        share: The share, as text; None for a worker's shard, which takes all that the worker trains.
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
        share_text = None if share is None else str(share)
        words = tuple("".join(mark if mark.isprintable() else "?" for mark in word) for word in command)
        plan = plan_digest(study.trials())
        return cls(FORMAT, study.name, plan, content_of(study), version("longlag"), words, share_text)

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str) -> Self:
        """Return the header that the values of a first line describe.

        Raises:
            StoreError: The values do not describe a shard of this or an older format.
        """  # noqa: DOC501  (the ValueError is caught)
        known = values.get("shard")
        if isinstance(known, int) and known > FORMAT:
            raise StoreError(f"{where} was written by a newer longlag (shard format {known}, this one knows {FORMAT})")
        try:
            header: Self = from_plain(cls, dict(values))
            if header.share is not None:
                Share.read(header.share, "share")
            if not all(text.isprintable() for text in (header.plan, header.longlag, *header.command)):
                raise ValueError("texts of more than one line")
            checked_name(header.study)
        except ValueError as error:
            raise StoreError(f"{where}: its first line does not describe a shard ({error})") from None
        return header

    @property
    def line(self) -> dict[str, Any]:
        """The values of the first line."""
        return {**to_plain(self)}

    def make_study(self, where: str) -> Study:
        """Return the study of the definition, after a check that it has the planned trials.

        Raises:
            UsageError: The study has other trials here, since versions of tasks, cells or plugins differ; a plugin is
                missing; or the definition is not a study.
        """
        study = study_from(self.study, self.definition, where)
        if plan_digest(study.trials()) != self.plan:
            writer = "" if self.longlag == version("longlag") else f" {self.longlag}"
            raise UsageError(
                f"{where}: its trials are not those that this longlag plans for the same study: longlag{writer} wrote "
                "it, with other versions of tasks, cells or plugins"
            )
        return study


def plan_digest(trials: Iterable[Trial]) -> str:
    """Return sixteen hexadecimal digits from the keys of a plan's trials, which do not depend on their order."""
    return hashlib.sha256("\n".join(sorted(trial.key for trial in trials)).encode()).hexdigest()[:16]
