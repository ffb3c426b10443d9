"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from longlag.plan.grid import STUDY_FILE
from longlag.tasks.support.errors import UsageError

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


def study_argument(required: bool = True) -> Callable[[Command], Command]:
    """Add STUDY, the name of what is stored; the study's file stands for its name."""
    return click.argument(
        "study", required=required, callback=lambda context, parameter, given: given and name_of(given)
    )


def plugin_option(command: Command) -> Command:
    """Add ``--plugin``, which lets the command use the names of plugins."""
    return click.option(
        "--plugin",
        multiple=True,
        metavar="FILE",
        expose_value=False,
        callback=_use,
        help="File of a task, cell or clip of yours; its name is the name to use. Repeatable.",
    )(command)


def _use(context: click.Context, parameter: click.Parameter, files: tuple[str, ...]) -> None:
    from longlag import registry

    if not context.resilient_parsing:
        registry.use(files)


def _lags(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[int, ...]:
    texts = [text.strip() for part in given for text in part.split(",")]
    for text in texts:
        if not text.isdecimal() or len(text) > 9:
            raise UsageError(f"--test-lags must be whole numbers such as 50,100,200, not {text!r}")
    return tuple(map(int, texts))


def grid_options(command: Command) -> Command:
    """Add the options that make a grid, or replace values of a named study's grids; and ``--plugin``."""
    for option in reversed(_GRID):
        command = option(command)
    return plugin_option(command)


_GRID = [
    click.option("--task", multiple=True, metavar="SPEC", help="Task; repeat to span the grid."),
    click.option("--cell", multiple=True, metavar="SPEC", help="Cell; repeatable."),
    click.option("--clip", multiple=True, metavar="SPEC", help="Clipping setting; repeatable."),
    click.option("--lr", multiple=True, type=float, help="Learning rate; repeatable."),
    click.option("--optimizer", multiple=True, metavar="SPEC", help="adam, sgd, rmsprop; repeatable."),
    click.option("--seeds", type=int, metavar="N", help="Seeds 0 to N-1."),
    click.option("--updates", type=int, help="Budget of optimiser steps."),
    click.option("--eval-every", type=int, metavar="N", help="Updates between evaluations."),
    click.option("--hidden-size", type=int),
    click.option("--match", metavar="WHAT", help="hidden, parameters or state: picks each network's hidden size."),
    click.option("--match-target", type=int, metavar="N", help="How much of it each network shall have."),
    click.option("--batch-size", type=int),
    click.option("--layers", multiple=True, type=int, help="1 to 32; repeatable, as are the next four."),
    click.option("--skip", multiple=True, metavar="NAME", help="none, residual, dense, highway: between layers."),
    click.option("--direction", multiple=True, metavar="NAME", help="forward, bidirectional."),
    click.option("--normalisation", multiple=True, metavar="NAME", help="none, layer: between layers."),
    click.option("--dropout", multiple=True, type=float, metavar="P", help="Between layers, 0 <= P < 1."),
    click.option("--decoder-cell", multiple=True, metavar="SPEC", help="A decoder's cell, or none; repeatable."),
    click.option("--decoder-layers", multiple=True, type=int, help="1 to 32, with a decoder; repeatable."),
    click.option(
        "--truncate", multiple=True, metavar="K", help="Backpropagation in chunks of K steps, or none; repeatable."
    ),
    click.option("--schedule", metavar="SPEC", help="constant, cosine, warmup:updates=N."),
    click.option("--weight-decay", type=float),
    click.option("--dtype", metavar="TYPE", help="float32 or float64."),
    click.option("--device", metavar="DEVICE", help="cpu or cuda."),
    click.option(
        "--test-lags",
        multiple=True,
        callback=_lags,
        metavar="N,N,...",
        help="Test the trained networks at these lags too, in time steps.",
    ),
]
