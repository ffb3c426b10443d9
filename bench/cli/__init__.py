"""The command line, a thin layer over the library; it loads nothing heavy until a command needs it."""

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import click

from longlag.cli import (
    baselines,
    horizon,
    lens,
    listing,
    perf,
    planning,
    plugin_tools,
    probe,
    regression,
    rerun,
    shards,
    show_task,
    training,
    tuning,
    window,
)
from longlag.cli.ending import (
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_STORE,
    EXIT_USAGE,
    accept_any_character,
    complain,
    explain_fault,
)
from longlag.cli.reports import claims, page, paper, stored
from longlag.cli.reports.choosing import COMMAND
from longlag.process.guards import first_line, place
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError, near


class Commands(click.Group):
    """A group that offers a near match for a mistyped command and turns known errors into one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises:
            UsageError: There is no such command; the message offers one with a similar name.
        """
        if args and self.get_command(ctx, args[0]) is None:
            known = [*self.list_commands(ctx), "--help", "--version"]
            raise UsageError(f"no command is called {args[0]!r}{near(args[0], known) or '; see longlag --help'}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the command.

        Raises:
            UsageError: An option belongs after the command.
            NoSuchOption: An option is unknown.
        """
        ctx.meta[COMMAND] = shlex.join(["longlag", *args])
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            option, commands = error.option_name, self.commands.items()
            taking = [name for name, one in commands if any(option in parameter.opts for parameter in one.params)]
            if taking:
                name = next((name for name in taking if name in args), taking[0])
                where = f"belongs after the command, as in longlag {name} ... {option}"
                raise UsageError(f"{option} {where}") from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a closed pipe ends it quietly.

        Raises:
            UsageError: The command or a plugin refuses something, or a plugin raises an exception or ends the program.
            StoreError: A store cannot be used.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `longlag export quick | head`
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except SystemExit as error:  # no command raises it
            raise UsageError(f"a plugin ended the program ({first_line(error)})") from error
        except Exception as error:
            if isinstance(error, UsageError | StoreError) or not (where := place(error)):
                raise
            raise UsageError(f"a plugin raised {first_line(error)}{where}") from error

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command and end the process with its exit code."""
        accept_any_character()
        try:
            code = super().main(args, standalone_mode=False, **extra) or 0
        except click.ClickException as error:
            complain(error.format_message())
            code = EXIT_USAGE
        except UsageError as error:
            complain(str(error))
            code = EXIT_USAGE
        except StoreError as error:
            complain(str(error))
            code = EXIT_STORE
        except (click.Abort, KeyboardInterrupt):
            complain("interrupted")
            code = EXIT_INTERRUPTED
        except OSError as error:  # a full disk or a read-only folder, met while writing tables or figures
            complain(f"{error.filename or 'output'}: {error.strerror or error}; stored results are kept")
            code = EXIT_STORE
        except Exception as error:
            complain(explain_fault(error))
            code = EXIT_FAULT
        sys.exit(code)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="longlag", prog_name="longlag")
@click.pass_context
def main(context: click.Context) -> None:
    """How far back can a recurrent network remember, under which gradient clipping, and what does it cost?

    Tasks, cells and optimizers are spelled NAME or NAME:OPTION=VALUE,...; clips NAME or NAME:THRESHOLD.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    planning.plan,
    training.run,
    shards.merge,
    shards.status,
    listing.recover,
    tuning.tune,
    stored.show,
    paper.figures,
    paper.tables,
    paper.methods,
    paper.paper,
    page.report,
    stored.export,
    rerun.rerun,
    listing.list_names,
    show_task.show_task,
    plugin_tools.check_task,
    plugin_tools.check_cell,
    plugin_tools.check_clip,
    plugin_tools.check_optimizer,
    plugin_tools.check_schedule,
    plugin_tools.new,
    perf.perf,
    perf.cost,
    horizon.horizon,
    horizon.frontier,
    probe.probe,
    lens.lens,
    window.window,
    regression.check,
    claims.claims,
    baselines.baseline,
    baselines.compare,
    baselines.history,
    listing.doctor,
):
    main.add_command(command)
