"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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


def grid_options(command: Command) -> Command:
    """Add the options that make a grid, or replace values of a named study's grids."""
    for option in reversed(_GRID):
        command = option(command)
    return command


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
    click.option("--batch-size", type=int),
    click.option("--layers", type=int),
    click.option("--schedule", metavar="SPEC", help="constant, cosine, warmup:updates=N."),
    click.option("--weight-decay", type=float),
    click.option("--dtype", metavar="TYPE", help="float32 or float64."),
    click.option("--device", metavar="DEVICE", help="cpu or cuda."),
]
