"""Writes the command that trains a study again, if options alone can describe its plan."""

import shlex
from math import prod

import pandas as pd

from longlag.plan.grid import GIVEN, option_label
from longlag.store.results import StudyData
from longlag.tasks.support.options import spell
from longlag.values.axes import Axis

WIDTH = 88
"""The most letters in a line of a command."""


def run_command(study: StudyData) -> str | None:
    """Return the command that plans exactly a study's trials; None if options alone cannot.

    They cannot describe a plan that is not the product of its axes (several grids, or learning rates for each task,
    cell and clip), seeds that do not count from 0, matched sizes, decoders, or plugins, whose files no store holds.
    """
    plan = study.plan
    if (
        plan.get("matched", pd.Series()).notna().any()
        or (plan["decoder_cell"] != "none").any()
        or (plan["plugins"] != "").any()
    ):
        return None
    seeds = sorted(int(seed) for seed in plan["seed"].unique())
    if seeds != list(range(len(seeds))):
        return None
    values = {key: list(plan[axis.column or axis.name].unique()) for key, axis in GIVEN.items() if key != "seeds"}
    if prod(map(len, values.values())) * len(seeds) != len(plan):
        return None
    if any(len(values[key]) > 1 and not GIVEN[key].spans for key in values):
        return None
    options = [
        (option_label(key), _word(value))
        for key, in_plan in values.items()
        for value in (in_plan if len(in_plan) > 1 else _given(GIVEN[key], in_plan[0]))
    ]
    options += [("--seeds", str(len(seeds))), ("--name", study.name)]
    return _broken(["longlag run", *map(shlex.join, options)])


def _given(axis: Axis, value: object) -> list[object]:
    """Return the only value of an axis as a list, empty if it is the default and need not be given."""
    return [] if value == axis.default and axis.name not in ("eval_every", "clip") else [value]


def _word(value: object) -> str:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, str) else spell(value)  # type: ignore[arg-type]


def _broken(parts: list[str]) -> str:
    r"""Join the parts of a command with line breaks that a shell ignores.

    >>> print(_broken(["longlag run", "--task adding", "--cell " + "/".join(20 * ["lstm"])])[:41])
    longlag run --task adding \
      --cell lstm
    """
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 > WIDTH:
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}"
    return " \\\n".join(lines)
