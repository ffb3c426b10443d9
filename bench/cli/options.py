"""Options that several commands share."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.plan.grid import GIVEN, STUDY_FILE, option_label
from longlag.tasks.support.errors import UsageError
from longlag.values.axes import Axis

if TYPE_CHECKING:
    from longlag.plan.study import Study
    from longlag.run.run import RunOptions

MOST_SECONDS = 10_000_000
_MOST_WORKERS = 1024
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
    """Return the name of a stored study, given by its name or its file.

    >>> name_of("mine"), name_of("studies/mine.toml")
    ('mine', 'mine')
    """
    return Path(study).name.removesuffix(STUDY_FILE) if study.endswith(STUDY_FILE) else study


def subject_of(study: str) -> "str | Study":
    """Return the subject of a report: a study's name, which stands for its last run, or the study of a file.

    Raises:
        UsageError: The file cannot be read, or it is not a valid study.
    """
    from longlag.plan import files

    return files.read(Path(study)) if study.endswith(STUDY_FILE) else study


@contextmanager
def in_its_order(study: "str | Study") -> Iterator[None]:
    """List and draw cells and clips in the order of a study's file, within the body; a name changes nothing."""
    from longlag.report.figures.support.looks import in_order

    trials = () if isinstance(study, str) else study.trials()
    with in_order([*(trial.cell for trial in trials), *(trial.clip for trial in trials)]) if trials else nullcontext():
        yield


def need_study(name: str, results: Path) -> None:
    """Check that a study is shipped or has a folder of results.

    Raises:
        UsageError: There is no study of that name.
    """
    from longlag.plan import files
    from longlag.tasks.support.errors import UsageError, near

    known = sorted({*files.names(), *(folder.name for folder in results.glob("*") if folder.is_dir())} - {"reference"})
    if name not in known:
        raise UsageError(f"no study is called {name!r}{near(name, known) or '; there are ' + ', '.join(known)}")


def report_options(command: Command) -> Command:
    """Add STUDY, which `subject_of` reads, ``--plugin`` for files that name plugins, and ``--results``."""
    return click.argument("study")(plugin_option(results_option(command)))


def plugin_option(command: Command) -> Command:
    """Add ``--plugin``, which makes plugins' names known to the command."""
    return click.option(
        "--plugin",
        multiple=True,
        metavar="FILE",
        expose_value=False,
        callback=_use,
        help="Your file of a task, cell, clip, optimizer or schedule; its name is the name to use. Repeatable.",
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
    click.option("--match-target", type=int, metavar="N", help="The number of them that each network should have."),
]


def checked_workers(workers: int | None) -> int:
    """Return the number of worker processes; defaults to the cores that this process may use.

    Raises:
        UsageError: The number is out of range.
    """
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers must be a whole number from 1 to {_MOST_WORKERS}, not {workers}")
    return workers


def checked_timeout(seconds: float) -> float:
    """Return the time limit of a trial in seconds.

    Raises:
        UsageError: The number is out of range.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise UsageError(f"--timeout must be above 0 and at most {MOST_SECONDS} seconds, not {seconds:g}")
    return seconds


def as_bytes(text: str) -> int:
    """Read an amount of memory.

    >>> as_bytes("512MiB") == 2**29, as_bytes("2GiB") == 2**31
    (True, True)

    Raises:
        UsageError: The text is not an amount of memory, or it is out of range.
    """
    match = re.fullmatch(r"(\d{1,6})(MiB|GiB)", text)
    amount = int(match[1]) * {"MiB": 2**20, "GiB": 2**30}[match[2]] if match else 0
    if not 2**26 <= amount <= 2**44:
        raise UsageError(f"--memory must be a whole number of MiB or GiB, from 64MiB to 16384GiB, not {text!r}")
    return amount


_TRAINING = [
    click.argument("study", required=False),
    click.option("--name", help="Store under this name.  [default: the study's, or adhoc]"),
    click.option("--workers", type=int, help="Training processes.  [default: all cores]"),
    click.option(
        "--timeout",
        type=float,
        default=3600.0,
        show_default=True,
        help="Seconds per trial; a cohort gets the sum.",
    ),
    click.option("--memory", default="1GiB", show_default=True, help="Limit for a worker's cohort: 512MiB, 2GiB."),
    click.option("--fresh", is_flag=True, help="Retrain rows that other source code made."),
    click.option("--retry", is_flag=True, help="Retrain trials that failed in three runs."),
    click.option("--budget-minutes", type=float, metavar="M", help="Reduce the seeds to a number that should fit."),
    click.option("--keep-networks", is_flag=True, help="Keep trained networks as safetensors, for `longlag probe`."),
    click.option(
        "--lens", "lenses", multiple=True, metavar="NAME", help="Lens to run on networks: reach, ...; repeatable."
    ),
    click.option(
        "--audit",
        type=click.Choice(["evaluations", "every"]),
        default="evaluations",
        show_default=True,
        help="When compiled clips are checked: at the last update before each evaluation, or at every update.",
    ),
    click.option("--unchecked", is_flag=True, help="Skip the check of plugins' contracts; rows say so."),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where workers run: processes here, or on the nodes of a Ray cluster.",
    ),
    click.option("--address", metavar="HOST:PORT", help="A Ray cluster's, or auto.  [default: start one here]"),
]


def training_options(command: Command) -> Command:
    """Add the arguments of `run` and `plan`: STUDY or a grid, and options for training it."""
    command = grid_options(results_option(command))
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def take_run_options(options: dict[str, Any]) -> "RunOptions":
    """Remove from a command's options those for training, and return them as one value.

    Args:
        options: The options from `training_options`, changed in place; those that define the study stay.

    Raises:
        UsageError: A value is out of range, or ``--address`` is given without a cluster.
    """
    from longlag.run.engines.cluster import Cluster
    from longlag.run.plan import Retrain
    from longlag.run.run import RunOptions

    workers, engine, address = (options.pop(name) for name in ("workers", "engine", "address"))
    if address is not None and engine != "ray":
        raise UsageError("--address is the address of a Ray cluster: it needs --engine ray")
    count = checked_workers(workers)
    return RunOptions(
        workers=count,
        timeout_seconds=checked_timeout(options.pop("timeout")),
        memory=as_bytes(options.pop("memory")),
        retrain=Retrain(options.pop("fresh"), options.pop("keep_networks"), retry=options.pop("retry")),
        unchecked=options.pop("unchecked"),
        audit_every=options.pop("audit") == "every",
        cluster=Cluster(address, count if address is None else workers) if engine == "ray" else None,
    )
