"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.plan.grid import GIVEN, STUDY_FILE, option_label
from longlag.values.axes import Axis

if TYPE_CHECKING:
    from longlag.plan.study import Study

Command = Callable[..., Any]


def results_option(command: Command) -> Command:
    """Add ``--results``."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path),
        default="results",
        show_default=True,
        help="Folder of all studies.",
    )(command)


def name_of(study: str) -> str:
    """Return the name of a stored study, which may be given as the study's file.

    >>> name_of("mine"), name_of("studies/mine.toml")
    ('mine', 'mine')
    """
    return Path(study).name.removesuffix(STUDY_FILE) if study.endswith(STUDY_FILE) else study


def asked(study: str) -> "str | Study":
    """Return the subject of a report: the name, for the plan last run of that study, or the study of a file.

    Raises:
        UsageError: The file cannot be read, or something in it is refused.
    """
    from longlag.plan import files

    return files.read(Path(study)) if study.endswith(STUDY_FILE) else study


def report_options(command: Command) -> Command:
    """Add STUDY, which `asked` reads, ``--plugin`` for files that name plugins, and ``--results``."""
    return click.argument("study")(plugin_option(results_option(command)))


def plugin_option(command: Command) -> Command:
    """Add ``--plugin``, which lets the command use the names of plugins."""
    return click.option(
        "--plugin",
        multiple=True,
        metavar="FILE",
        expose_value=False,
        callback=_use,
        help="File of a task, cell, clip, optimizer or schedule of yours; its name is the name to use. Repeatable.",
    )(command)


def _use(context: click.Context, parameter: click.Parameter, files: tuple[str, ...]) -> None:
    from longlag import registry

    if not context.resilient_parsing:
        registry.use(files)


def grid_options(command: Command) -> Command:
    """Add the options that make a grid, or replace values of a named study's grids; and ``--plugin``."""
    for option in reversed(_GRID):
        command = option(command)
    return plugin_option(command)


def _option(key: str, axis: Axis) -> Callable[[Command], Command]:
    """Return the option of an axis."""
    return click.option(
        option_label(key),
        key,
        multiple=axis.spans or axis.repeatable,
        type=None if axis.as_text or axis.kind is str else axis.kind,
        metavar=axis.metavar,
        help=axis.summary + ("; repeatable." if axis.spans else "."),
    )


_GRID = [
    *(_option(key, axis) for key, axis in GIVEN.items()),
    click.option("--match", metavar="WHAT", help="hidden, parameters or state: picks each network's hidden size."),
    click.option("--match-target", type=int, metavar="N", help="How much of it each network shall have."),
]
