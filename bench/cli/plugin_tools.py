"""Commands for authors of tasks, cells, clips, optimizers and schedules."""

import keyword
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import plugin_option
from longlag.tasks.support.errors import UsageError, near

if TYPE_CHECKING:
    from longlag.checks.finding import Finding

EXIT_BROKEN = 1
_KINDS = ("cell", "clip", "task", "optimizer", "schedule")


@click.command("check-cell")
@click.argument("name", required=False)
@plugin_option
def check_cell(name: str | None) -> int:
    """Check the contract of a cell and print the findings; exit code 1 if it is broken."""
    spec = _named("cell", name)
    from longlag.checks.cells import check_cell

    return _print_findings("cell", spec, check_cell(spec))


@click.command("check-clip")
@click.argument("name", required=False)
@plugin_option
def check_clip(name: str | None) -> int:
    """Check the contract of a clip and print the findings; a name alone is checked at the threshold 0.5."""
    spec = _named("clip", name)
    from longlag.checks.clips import check_clip, complete_spec

    return _print_findings("clip", complete_spec(spec), check_clip(spec))


@click.command("check-task")
@click.argument("name", required=False)
@plugin_option
def check_task(name: str | None) -> int:
    """Check the contract of a task and print the findings; exit code 1 if it is broken."""
    spec = _named("task", name)
    from longlag.checks.tasks import check_task

    return _print_findings("task", spec, check_task(spec))


@click.command("check-optimizer")
@click.argument("name", required=False)
@plugin_option
def check_optimizer(name: str | None) -> int:
    """Check the contract of an optimizer and print the findings; exit code 1 if it is broken."""
    spec = _named("optimizer", name)
    from longlag.checks.optimisers import check_optimizer

    return _print_findings("optimizer", spec, check_optimizer(spec))


@click.command("check-schedule")
@click.argument("name", required=False)
@plugin_option
def check_schedule(name: str | None) -> int:
    """Check the contract of a schedule and print the findings; exit code 1 if it is broken."""
    spec = _named("schedule", name)
    from longlag.checks.schedules import check_schedule

    return _print_findings("schedule", spec, check_schedule(spec))


@click.command()
@click.argument("kind", metavar="|".join(_KINDS))
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), default=".", help="Folder to write to.  [default: this one]")
def new(kind: str, name: str, to: Path) -> None:
    """Write a commented template of a plugin; it passes its check unchanged."""  # noqa: DOC501  (a command's help)
    from importlib.resources import files

    from longlag import registry
    from longlag.registry import plugins
    from longlag.registry.contracts import one

    if kind not in _KINDS:
        raise UsageError(f"new makes a {', '.join(_KINDS[:-1])} or {_KINDS[-1]}, not a {kind!r}{near(kind, _KINDS)}")
    plugins.check_name(name, f"new {kind}")
    if keyword.iskeyword(name.lower()):
        raise UsageError(f"new {kind}: {name!r} is a reserved word of Python")
    if name in registry.shipped(kind):
        raise UsageError(f"new {kind}: {one(kind)} called {name!r} is shipped")
    if not to.is_dir():
        raise UsageError(f"--to {to}: there is no such folder")
    path = to / f"{name}.py"
    if path.exists():
        raise UsageError(f"new {kind}: {path} exists and was left as it is")
    words = "".join(word.capitalize() for word in name.split("_"))
    text = files("longlag.registry.skeletons").joinpath(f"{kind}.py").read_text(encoding="utf-8")
    path.write_text(text.replace("Skeleton", words).replace("skeleton:", f"{name}:"), encoding="utf-8")
    click.echo(path)
    click.echo(f"longlag check-{kind} --plugin {path}", err=True)


def _named(kind: str, name: str | None) -> str:
    """Return the name given, or the name of the only plugin of this kind.

    Raises:
        UsageError: No name is given, and there is not exactly one plugin of this kind.
    """
    from longlag import registry
    from longlag.registry.contracts import one

    own = [made.name for made in registry.used() if made.kind == kind]
    if name is None and len(own) != 1:
        others = ", ".join(f"{made.path} is {one(made.kind)}" for made in registry.used() if made.kind != kind)
        raise UsageError(
            f"check-{kind} needs a name, or --plugin with the file of one {kind}" + f"; {others}" * bool(others)
        )
    return own[0] if name is None else name


def _print_findings(kind: str, spec: str, findings: "Iterable[Finding]") -> int:
    """Print findings as they come, with untried rules in one line, and return the exit code."""
    listed: list[Finding] = []
    for finding in findings:
        listed.append(finding)
        if finding.ok is not None:
            click.echo(finding.line)
    broken = sum(finding.ok is False for finding in listed)
    if untried := [finding for finding in listed if finding.ok is None]:
        click.echo(f"{untried[0].detail}: {', '.join(finding.rule for finding in untried)}")
    summary = (
        f"{broken} of {len(listed)} rules {'is' if broken == 1 else 'are'} broken"
        + f", {len(untried)} not tried" * bool(untried)
    )
    click.echo(f"{kind} {spec}: {summary if broken else f'all {len(listed)} rules are kept'}")
    return EXIT_BROKEN if broken else 0
