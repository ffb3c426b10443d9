"""An author's selection from a study: some values of its axes, in an order, with labels and looks."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.colors import is_color_like
from matplotlib.lines import Line2D

from longlag.report.figures.support.looks import kept_apart, wearing, worn
from longlag.store.results import StudyData
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell
from longlag.values.axes import Group
from longlag.values.trial import AXES

AXIS_COLUMNS = {name: axis.column or name for name, axis in AXES.items() if axis.group != Group.ORIGIN}
"""The axes by which a selection can be made, and the columns of a study's frames that hold them."""
_NAMED = ("task", "cell", "clip")
_UNRANKED = ("task", "seed")
"""Axes by which the rows of tables are not ordered: rows are grouped by task, and each row sums up its seeds."""
_LOOKS = ("label", "color", "marker")


@dataclass(frozen=True)
class Selection:
    """The selection that figures, tables and methods of a paper share.

    Attributes:
        axes: The chosen values of each axis, in order, as the user wrote them. The bare name of a task, cell or clip
            stands for all specs of that name, unless the study has a spec that is spelled exactly so.
        labels: Pairs of a spec and its label.
        looks: The ``label``, ``color`` and ``marker`` of specs, as read from a file.
    """

    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()
    looks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, study: StudyData) -> StudyData:
        """Return a study reduced to the selection, its plan in the chosen order.

        Raises:
            UsageError: No trial matches the selection, or a value is not in the study.
        """
        plan = study.plan
        kept = pd.Series(data=True, index=plan.index)
        places: list[pd.Series] = []
        for axis, texts in self.axes.items():
            column = AXIS_COLUMNS[axis]
            values = _chosen(study, axis, texts)
            kept &= plan[column].isin(values)
            places.append(plan[column].map({value: place for place, value in enumerate(values)}))
        if not kept.any():
            raise UsageError(f"no trial of study {study.name} has all values chosen; {_there_is(plan, self.axes)}")
        if not self.axes:
            return study
        chosen = study.only(plan.loc[kept, "key"].tolist())
        order = pd.concat([places_of.loc[kept] for places_of in places], axis=1).apply(tuple, axis=1)
        return replace(chosen, plan=chosen.plan.loc[order.argsort(kind="stable").to_numpy()].reset_index(drop=True))

    @contextmanager
    def worn(self, study: StudyData) -> Iterator[None]:
        """Use the labels, looks and order of the selection inside the context.

        Args:
            study: The whole study, before it was reduced.

        Raises:
            UsageError: A label or a look is for a spec that is not in the study.
        """
        specs = {name: list(dict.fromkeys(map(str, study.plan[name]))) for name in _NAMED}
        every = [spec for some in specs.values() for spec in some]
        values = {axis: _chosen(study, axis, texts) for axis, texts in self.axes.items()}
        order = [*values.get("cell", ()), *values.get("clip", ())]
        given = {AXIS_COLUMNS[axis]: tuple(of) for axis, of in values.items() if axis not in _UNRANKED and len(of) > 1}
        by_look: dict[str, dict[str, str]] = {name: {} for name in _LOOKS}
        for spec, look in self.looks.items():
            for name, value in look.items():
                by_look[name] |= dict.fromkeys(_matching(spec, every), value)
        for spec, text in self.labels:
            matching = _matching(spec, every)
            if not matching:
                hint = near(spec, [*every, *map(_name, every)])
                raise UsageError(
                    f"--label {spec}={text}: study {study.name} has no {spec!r}{hint}; there are {', '.join(every)}"
                )
            by_look["label"] |= dict.fromkeys(matching, text)
        chosen = tuple(map(str, order))
        own = replace(worn(), labels=by_look["label"], colors=by_look["color"], markers=by_look["marker"])
        with wearing(replace(own, order=chosen, given=given)), kept_apart(study.plan):
            yield


def parse_label(text: str) -> tuple[str, str]:
    """Split ``SPEC=TEXT`` at the last equals sign.

    >>> parse_label("rnn:nonlinearity=relu,init=identity=IRNN")
    ('rnn:nonlinearity=relu,init=identity', 'IRNN')

    Raises:
        UsageError: There is no equals sign.
    """
    spec, equals, label = text.rpartition("=")
    if not equals or not spec or not label:
        raise UsageError(f"--label {text}: a label is written SPEC=TEXT, as in lstm=LSTM")
    return spec.strip(), label.strip()


def read_looks(path: Path) -> dict[str, dict[str, str]]:
    """Read a file of looks: a table for each spec, such as ``["lstm:init=chrono"]``, with ``label, color, marker``.

    Raises:
        UsageError: The file cannot be read, or has an unknown name or a wrong value.
    """
    try:
        looks: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--looks {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--looks {path} is not TOML: {error}") from None
    for spec, look in looks.items():
        if not isinstance(look, dict):
            raise UsageError(
                f'--looks {path}: {spec!r} must be a table: write ["{spec}"], and its label, color or marker below'
            )
        for name, value in look.items():
            if name not in _LOOKS:
                raise UsageError(f"--looks {path}: no key {name!r}{near(name, _LOOKS)}; there are {', '.join(_LOOKS)}")
            _checked_look(path, spec, name, value)
    return looks


def _checked_look(path: Path, spec: str, name: str, value: object) -> None:
    good = isinstance(value, str) and (
        name == "label" or (name == "color" and is_color_like(value)) or (name == "marker" and value in Line2D.markers)
    )
    if not good:
        rule = {"label": "text", "color": "a colour of matplotlib", "marker": "a marker of matplotlib"}[name]
        raise UsageError(f"--looks {path}: the {name} of {spec!r} must be {rule}, not {value!r}")


def _chosen(study: StudyData, axis: str, texts: Sequence[str]) -> list[Any]:
    """Return the values of an axis that some texts stand for, in the order of the texts.

    Raises:
        UsageError: A text stands for no value of the study.
    """
    values = list(dict.fromkeys(study.plan[AXIS_COLUMNS[axis]].tolist()))
    chosen: list[Any] = []
    for text in texts:
        alike = _matching(text, values)
        if not alike:
            there = sorted(map(_spelled, values)) if axis not in _NAMED else list(map(_spelled, values))
            known = [*there, *map(_name, there)] if axis in _NAMED else there
            raise UsageError(f"study {study.name} has no {axis} {text!r}{near(text, known)}; it has {', '.join(there)}")
        chosen += [value for value in alike if value not in chosen]
    return chosen


def _matching(text: str, values: Iterable[Any]) -> list[Any]:
    """Return the values that a text spells exactly; if there are none, the values whose name it is."""
    values = list(values)
    exact = [value for value in values if _parts(text) == _parts(_spelled(value))]
    named = [value for value in values if isinstance(value, str) and _name(value) == text.strip()]
    return exact or named


def _name(spec: str) -> str:
    """Return the name that a spec begins with."""
    return re.split(r"[:+]", spec)[0]


def _parts(spec: str) -> tuple[str, frozenset[str]]:
    """Return a spec's name and its options, with numbers written in one way.

    >>> _parts("norm:1") == _parts("norm:1.0"), _parts("0.01") == _parts("1e-2")
    (True, True)
    """
    name, _, rest = spec.strip().partition(":")
    return _normal(name), frozenset(
        "=".join(_normal(piece) for piece in part.split("=")) for part in rest.split(",") if part
    )


def _normal(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else spell(value.item() if hasattr(value, "item") else value)


def _there_is(plan: pd.DataFrame, axes: Iterable[str]) -> str:
    """Write which values each axis has."""
    texts = []
    for axis in axes:
        values = list(map(_spelled, dict.fromkeys(plan[AXIS_COLUMNS[axis]].tolist())))
        texts.append(f"{axis}: {', '.join(values)}")
    return "there are " + "; ".join(texts)
