"""What a field of a trial says of itself, once; plans, stores, reports and the command line follow from it."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum
from typing import Any, get_type_hints

from longlag.tasks.support.options import spell
from longlag.values.rules import Rule


class Group(IntEnum):
    """What an axis is about; reports put axes side by side in this order."""

    SETTING = 0
    """Task, cell, clip and seed, which every report is laid out by."""
    OPTIMISATION = 1
    NETWORK = 2
    BUDGET = 3
    COMPUTATION = 4
    TESTING = 5
    RATE = 6
    """The learning rate, by which trials are told apart last."""
    ORIGIN = 7
    """What follows from the others: versions and plugins."""


AS_TRIAL = object()
"""Says that a grid which is given nothing holds the trial's default."""


@dataclass(frozen=True)
class Axis:
    """The declaration of one field of `Trial`.

    Attributes:
        name: The field's.
        kind: Its type: int, float or str.
        default: Of a trial; a key leaves it out. `MISSING` where every trial says it.
        group: What it is about.
        summary: What it is, for the command line's help; empty where it cannot be given, but follows from others.
        rule: How a given value is checked, as one of `longlag.values.rules`.
        spans: Whether a grid holds several values of it and makes the product.
        unset: What a grid holds where nothing is given, if that is not the default.
        given_as: What a study file and the command line call it, if not by its name.
        repeatable: Whether the command line takes it several times although a grid does not span it.
        as_text: Whether the command line hands over its text, since it need not be a number.
        metavar: How the command line shows its value.
        column: What tables call it, if not by its name.
        label: How reports write a value: ``{} units``.
        words: How reports write particular values, by the value.
        in_cohort: Whether trials that train together may differ in it.
    """

    name: str
    kind: type
    default: Any
    group: Group
    summary: str = ""
    rule: Rule | None = None
    spans: bool = False
    unset: Any = AS_TRIAL
    given_as: str = ""
    repeatable: bool = False
    as_text: bool = False
    metavar: str | None = None
    column: str = ""
    label: str = ""
    words: Mapping[Any, str] = field(default_factory=dict)
    in_cohort: bool = False

    @property
    def asked(self) -> bool:
        """Whether a user may give it."""
        return bool(self.summary)

    def written(self, value: Any) -> str | None:
        """Return what a report says of a value; None where the declaration says nothing about it."""
        if value in self.words:
            return self.words[value]
        return self.label.format(spell(value)) if self.label else None


def axis(group: Group, summary: str = "", rule: Rule | None = None, *, default: Any = MISSING, **more: Any) -> Any:
    """Declare a field of a trial; ``more`` are other attributes of `Axis`.

    Args:
        group: What it is about.
        summary: What it is, for help; empty where it cannot be given.
        rule: How a given value is checked.
        default: Of a trial.
        **more: Other attributes of `Axis`.
    """
    said = {"group": group, "summary": summary, "rule": rule} | more
    return field(metadata={"axis": said}) if default is MISSING else field(default=default, metadata={"axis": said})


def axes(of: type) -> dict[str, Axis]:
    """Return the declarations of a class's fields, by name, in their order."""
    kinds = get_type_hints(of)
    return {
        item.name: Axis(item.name, kinds[item.name], item.default, **item.metadata["axis"])
        for item in fields(of)
        if "axis" in item.metadata
    }
