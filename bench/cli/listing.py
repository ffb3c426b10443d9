"""Commands that list names, show the state of the installation and of stores, and recover a damaged store."""

import textwrap
from pathlib import Path

import click

from longlag.cli.ending import EXIT_SOME_FAILED
from longlag.cli.options import name_of, plugin_option, results_option
from longlag.tasks.support.errors import UsageError, near

_KINDS = {"tasks": "task", "cells": "cell", "clips": "clip", "optimizers": "optimizer", "schedules": "schedule"}


@click.command("list")
@click.argument("what", metavar="tasks|cells|clips|optimizers|schedules|lenses|studies")
@click.option("--details", is_flag=True, help="Cells only: source, size and path of each.")
@plugin_option
def list_names(what: str, details: bool) -> None:
    """List tasks, cells, clips and so on by name, with their options."""  # noqa: DOC501  (a command's help)
    kinds = [*_KINDS, "lenses", "studies"]
    if what not in kinds:
        raise UsageError(f"nothing to list is called {what!r}{near(what, kinds) or '; there are ' + ', '.join(kinds)}")
    if details and what != "cells":
        raise UsageError("--details is for cells: longlag list cells --details")
    if details:
        _list_cell_details()
    elif what == "studies":
        _list_studies()
    elif what == "lenses":
        _list_lenses()
    else:
        _list_configurable(_KINDS[what])


def _list_lenses() -> None:
    from longlag import registry
    from longlag.lens.support.named import lens

    for name in registry.shipped("lens"):
        click.echo(f"{name:16} {lens(name).summary}\n{'':19}{lens(name).reference}")


def _list_studies() -> None:
    from longlag.plan import files

    for name in files.names():
        click.echo(f"{name:16} {files.find(name).title}")


_SIZE = 64
"""Input size and hidden size of the layer whose parameters and state are shown."""


def _list_cell_details() -> None:
    from longlag import registry
    from longlag.networks.build import assembled

    click.echo(f"a layer of {_SIZE} inputs and {_SIZE} units over {_SIZE} steps: parameters, state numbers, path\n")
    for name in [*registry.names("cell"), *registry.names("architecture")]:
        try:
            cell = registry.cell(name)
        except UsageError as error:  # its library is not installed
            click.echo(f"{name:16} {error}")
            continue
        network = assembled(cell, _SIZE, 1, _SIZE, length=_SIZE)
        parameters = network.num_parameters - (_SIZE + 1)  # without the readout
        click.echo(f"{name:16} {(cell.__doc__ or '').splitlines()[0]}")
        path = network.path("cpu", "float32") + (f": {cell.no_kernel}" if cell.no_kernel else "")
        click.echo(f"{'':16}   {parameters:,} parameters, state {network.state_size:,}, {path}")
        click.echo(f"{'':16}   {cell.reference}")


def _list_configurable(kind: str) -> None:
    from longlag import registry
    from longlag.tasks.support.options import options_of

    for name in [*registry.names(kind), *(registry.names("architecture") if kind == "cell" else ())]:
        made = registry.find(kind, name)
        click.echo(f"{name:16} {next(iter((made.__doc__ or '').splitlines()), '')}")
        if (decoupled := getattr(made, "decoupled_decay", None)) is not None:
            click.echo(f"{'':19}weight decay: {'decoupled' if decoupled else 'coupled, added to the gradient'}")
        for option, one in options_of(made).items():
            default = f"required, {one.rule}" if one.default is None else one.default
            line = f"{option}: {one.summary} [{default}]" + (f": {', '.join(one.choices)}" if one.choices else "")
            click.echo(textwrap.fill(line, 110, initial_indent=" " * 19, subsequent_indent=" " * 21))
    for name in registry.offered(kind):
        click.echo(f"{name:16} offered by an installed package; imported when named")


@click.command()
@results_option
def doctor(results: Path) -> None:
    """Show versions, threads, device and the health of every store."""  # noqa: DOC501  (a command's help)
    import torch

    from longlag import registry
    from longlag.networks.build import assembled
    from longlag.process import provenance
    from longlag.store.file import StoreError
    from longlag.store.store import Store

    for name, value in provenance.environment().items():
        click.echo(f"{name:16} {value}")
    click.echo(f"{'threads':16} {torch.get_num_threads()} (a training process uses 1)")
    click.echo(f"{'vector unit':16} {torch.backends.cpu.get_cpu_capability()}")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    click.echo(f"{'cuda':16} {device}")
    for name in registry.names("cell"):
        cell = registry.cell(name)
        path = assembled(cell, 1, 1, cell.width_step).path("cpu", "float32")
        click.echo(f"{'path':16} {name}: {path}")
    broken = []
    for file in sorted(results.glob("*/store.sqlite")):
        try:
            with Store.open_for_reading(file) as store:
                store.verify()
                click.echo(f"{'store':16} {file}: healthy, {len(store.stored())} trials")
        except StoreError as error:
            broken.append(error)
    if broken:
        raise StoreError("; ".join(str(error) for error in broken))


@click.command()
@click.argument("study")
@results_option
def recover(study: str, results: Path) -> int:
    """Recover the readable part of STUDY's damaged store; the damaged file is kept beside it.

    Exits with 3 if the plan, or trials of it, are missing.
    """  # noqa: DOC501  (a command's help)
    from longlag.plan.grid import checked_name
    from longlag.store.recovery import recover as recover_store
    from longlag.store.store import store_path

    name = checked_name(name_of(study))
    path = store_path(name, results)
    if not path.is_file():
        raise UsageError(f"there is no store {path}")
    recovered = recover_store(path)
    if recovered.aside is None:
        click.echo(f"{path} is sound, {recovered.trials} trials are stored; nothing was changed")
        return 0
    click.echo(f"study {name}: {recovered.trials} trials are recovered; the damaged store is kept as {recovered.aside}")
    if recovered.unchecked:
        known = "setting, status and curve match their hashes, their other numbers could not be checked"
        click.echo(f"unchecked {recovered.unchecked} of them, from a version without checksums: {known}")
    if recovered.planned is None:
        click.echo(f"its plan is lost: the command that ran {name} writes it again and trains missing trials")
        return EXIT_SOME_FAILED
    if recovered.missing:
        missing = f"{recovered.missing} of {recovered.planned} trials"
        click.echo(f"missing   {missing}: the command that ran {name} trains them")
        return EXIT_SOME_FAILED
    return 0
