"""Declarations of the fields of a trial; plans, stores, reports and the command line are built from them."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum
from typing import Any, get_type_hints

from longlag.tasks.support.options import spell
from longlag.values.rules import Rule


class Group(IntEnum):
    """The groups of axes, in the order of reports."""

    SETTING = 0
    """Task, cell, clip and seed, by which every report is laid out."""
    OPTIMISATION = 1
    NETWORK = 2
    BUDGET = 3
    COMPUTATION = 4
    TESTING = 5
    RATE = 6
    """The learning rate, which reports name last."""
    ORIGIN = 7
    """Fields that follow from the others: versions and plugins."""


AS_TRIAL = object()
"""Marks an axis for which a grid without a value takes the trial's default."""


@dataclass(frozen=True)
class Axis:
    """The declaration of one field of `Trial`.

    Attributes:
        name: The name of the field.
        kind: Its type: int, float or str.
        default: The default of a trial, which its key leaves out; `MISSING` if the field has none.
        group: The group of axes that it belongs to.
        summary: Its help on the command line; empty where a user cannot give it, since it follows from other fields.
        rule: The check of a value that a user gives, one of `longlag.values.rules`.
        spans: Whether a grid may hold several values of it.
        unset: The value in a grid where none is given, if that is not the default.
        given_as: Its name in study files and on the command line, if not ``name``.
        repeatable: Whether the command line takes it several times although a grid does not span it.
        as_text: Whether the command line passes its text on unconverted, since it need not be a number.
        metavar: The placeholder for its value in the command line's help.
        column: Its column in tables, if not ``name``.
        label: The format of a value in reports: ``{} units``.
        words: The texts of particular values in reports, by value.
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
        """Whether a user can give it."""
        return bool(self.summary)

    def written(self, value: Any) -> str | None:
        """Return the text of a value in reports; None if the declaration has none."""
        if value in self.words:
            return self.words[value]
        return self.label.format(spell(value)) if self.label else None


def axis(group: Group, summary: str = "", rule: Rule | None = None, *, default: Any = MISSING, **more: Any) -> Any:
    """Declare a field of a trial.

    Args:
        group: The group of axes that it belongs to.
        summary: Its help on the command line; empty where a user cannot give it.
        rule: The check of a value that a user gives.
        default: The default of a trial.
        **more: Other attributes of `Axis`.
    """
    declared = {"group": group, "summary": summary, "rule": rule} | more
    return (
        field(metadata={"axis": declared})
        if default is MISSING
        else field(default=default, metadata={"axis": declared})
    )


def axes(of: type) -> dict[str, Axis]:
    """Return the declarations of a class's fields, by name, in their order."""
    kinds = get_type_hints(of)
    return {
        item.name: Axis(item.name, kinds[item.name], item.default, **item.metadata["axis"])
        for item in fields(of)
        if "axis" in item.metadata
    }
