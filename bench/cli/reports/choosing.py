"""Options with which an author selects parts of a study, their labels and looks, and a style."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.plan.grid import option_label
from longlag.values.axes import Group
from longlag.values.trial import AXES

if TYPE_CHECKING:
    from longlag.report.paper.figures import Wanted
    from longlag.report.paper.selection import Selection

Command = Callable[..., Any]
_AXES = [name for name, axis in AXES.items() if axis.group != Group.ORIGIN]


def selection_options(command: Command) -> Command:
    """Add an option for every axis, ``--label`` and ``--looks``; the command gets one ``selection``."""

    @wraps(command)
    def chosen(*args: Any, label: tuple[str, ...], looks: Path | None, **options: Any) -> Any:
        axes = {name: options.pop(f"only_{name}") for name in _AXES}
        return command(*args, selection=_selection(axes, label, looks), **options)

    decorated: Command = click.option(
        "--looks",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file of labels, colours, markers by spec.",
    )(chosen)
    decorated = click.option(
        "--label", multiple=True, metavar="SPEC=TEXT", help="Label of a task, cell or clip; repeatable."
    )(decorated)
    for name in reversed(_AXES):
        summary = (
            f"Only these of axis {name}, in this order; repeatable." if name in ("task", "cell", "clip", "lr") else ""
        )
        decorated = click.option(
            option_label(name), f"only_{name}", multiple=True, metavar="VALUE", help=summary, hidden=not summary
        )(decorated)
    return decorated


def _selection(axes: dict[str, tuple[str, ...]], label: tuple[str, ...], looks: Path | None) -> "Selection":
    from longlag.report.paper.selection import Selection, parse_label, read_looks

    given = {name: values for name, values in axes.items() if values}
    return Selection(given, tuple(map(parse_label, label)), read_looks(looks) if looks else {})


def style_options(command: Command) -> Command:
    """Add ``--style, --width, --usetex, --title, --only, --format``; the command gets ``wanted``, None without any."""

    @wraps(command)
    def styled(
        *args: Any,
        style: str | None,
        width: str | None,
        usetex: bool,
        title: bool | None,
        only: str | None,
        form: tuple[str, ...],
        **options: Any,
    ) -> Any:
        given = bool(style or width or usetex or title is not None or only or form)
        names = [name.strip() for name in only.split(",") if name.strip()] if only else []
        wanted = _wanted((style or "plain", width or "column", usetex, title), names, form) if given else None
        return command(*args, wanted=wanted, **options)

    for option in (
        click.option("--format", "form", multiple=True, metavar="NAME", help="pdf, png, svg; repeatable. [all]"),
        click.option("--only", metavar="NAMES", help="Figures, separated by commas."),
        click.option("--title/--no-title", default=None, help="Put titles above frames, not into the caption."),
        click.option("--usetex", is_flag=True, help="Typeset text with TeX."),
        click.option("--width", metavar="NAME", help="column, text, half. [column]"),
        click.option("--style", metavar="NAME", help="neurips, icml, iclr, acl, tmlr, jmlr, plain. [plain]"),
    ):
        styled = option(styled)
    return styled


def _wanted(style: tuple[str, str, bool, bool | None], only: list[str], form: tuple[str, ...]) -> "Wanted":
    from longlag.report.paper.figures import FORMATS, Wanted
    from longlag.report.paper.styles import style_of

    name, width, usetex, title = style
    return Wanted(style_of(name, width, usetex, title), only, form or FORMATS)


def command_line() -> str:
    """Return the command that is running, as it was called."""
    return str(click.get_current_context().meta.get(COMMAND, "longlag"))


COMMAND = "longlag.command"
"""Where the command line is kept in click's context."""
