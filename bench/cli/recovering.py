"""The command that recovers a damaged store."""

from pathlib import Path

import click

from longlag.cli.ending import EXIT_SOME_FAILED
from longlag.cli.options import name_of, results_option
from longlag.tasks.support.errors import UsageError


@click.command()
@click.argument("study")
@results_option
def recover(study: str, results: Path) -> int:
    """Recover what can be read of STUDY's damaged store; the damaged file is kept beside it.

    Exits with 3 where trials of the plan are missing, or the plan itself.
    """
    from longlag.plan.grid import checked_name
    from longlag.store.recovery import recover as recover_store
    from longlag.store.store import store_path

    name = checked_name(name_of(study))
    path = store_path(name, results)
    if not path.is_file():
        raise UsageError(f"there is no store {path}")
    found = recover_store(path)
    if found.aside is None:
        click.echo(f"{path} is sound, {found.trials} trials are stored; nothing was changed")
        return 0
    click.echo(f"study {name}: {found.trials} trials are recovered; the damaged store is kept as {found.aside}")
    if found.planned is None:
        click.echo(f"its plan is lost: the command that ran {name} writes it again, and trains what is missing")
        return EXIT_SOME_FAILED
    if found.missing:
        click.echo(f"missing   {found.missing} of {found.planned} trials: the command that ran {name} trains them")
        return EXIT_SOME_FAILED
    return 0
