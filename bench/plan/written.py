"""Converts a study to the content of a study file and back, for shards, which hold this content."""

from collections.abc import Mapping
from typing import Any

from longlag.plan.grid import KEYS, Grid, checked, known_keys
from longlag.plan.rates import Rate
from longlag.plan.study import Study
from longlag.tasks.support.errors import UsageError
from longlag.values.plain import from_plain, to_plain
from longlag.values.rules import word

_TOP = ("title", "grids", "rates")


def content_of(study: Study) -> dict[str, Any]:
    """Return title, grids and rates of a study, in types that JSON can hold; defaults are left out."""
    return {"title": study.title, "grids": [_table(grid) for grid in study.grids], "rates": to_plain(study.rates)}


def study_from(name: str, content: Mapping[str, Any], where: str) -> Study:
    """Make a study from its content.

    A study made from options may hold values that its file could not, such as skip connections in a network of one
    layer; these are not checked again.

    Args:
        name: The study's name.
        content: The content, from `content_of`.
        where: The place where the content was read, for messages.

    Raises:
        UsageError: Something in it is refused.
    """
    known_keys(content, _TOP, where)
    try:
        grids = from_plain(tuple[dict[str, Any], ...], content["grids"])
        rates = from_plain(tuple[Rate, ...], content["rates"])
        return Study(
            name, word(content["title"], f"{where}: title"), tuple(_grid(grid, where) for grid in grids), rates
        )
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where}: does not describe a study ({' '.join(str(error).split())})") from None


def _table(grid: Grid) -> dict[str, Any]:
    """Return the values given to a grid, as a file spells them: ``truncate`` is ``none`` for whole sequences, not 0."""
    given = to_plain(grid)
    if "truncate" in given:
        given["truncate"] = [steps or "none" for steps in given["truncate"]]
    return dict(given)


def _grid(table: Mapping[str, Any], where: str) -> Grid:
    known_keys(table, KEYS, where)
    return Grid(**checked(table, lambda key: f"{where}: {key}"))
