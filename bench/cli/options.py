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


@contextmanager
def in_its_order(study: "str | Study") -> Iterator[None]:
    """List and draw cells and clips in the order of a study's file; nothing changes for a study that is named."""
    from longlag.report.figures.support.looks import in_order

    trials = () if isinstance(study, str) else study.trials()
    with in_order([*(trial.cell for trial in trials), *(trial.clip for trial in trials)]) if trials else nullcontext():
        yield


def need_study(name: str, results: Path) -> None:
    """Refuse the name of a study that is neither shipped nor in a folder of results.

    Raises:
        UsageError: There is none of that name.
    """
    from longlag.plan import files
    from longlag.tasks.support.errors import UsageError, near

    known = sorted({*files.names(), *(folder.name for folder in results.glob("*") if folder.is_dir())} - {"reference"})
    if name not in known:
        raise UsageError(f"no study is called {name!r}{near(name, known) or '; there are ' + ', '.join(known)}")


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


def checked_workers(workers: int | None) -> int:
    """Return how many processes to use: as many as this process may use cores, unless said.

    Raises:
        UsageError: The number is out of range.
    """
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers must be a whole number from 1 to {_MOST_WORKERS}, not {workers}")
    return workers


def checked_timeout(seconds: float) -> float:
    """Return the seconds that a trial may take.

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
        UsageError: It is none, or out of range.
    """
    found = re.fullmatch(r"(\d{1,6})(MiB|GiB)", text)
    amount = int(found[1]) * {"MiB": 2**20, "GiB": 2**30}[found[2]] if found else 0
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
        help="Seconds a trial; a cohort gets the sum.",
    ),
    click.option("--memory", default="1GiB", show_default=True, help="For a worker's cohort: 512MiB, 2GiB."),
    click.option("--fresh", is_flag=True, help="Train rows again that other source code made."),
    click.option("--retry", is_flag=True, help="Train trials again that failed in three runs."),
    click.option("--budget-minutes", type=float, metavar="M", help="Cut the seeds to as many as should fit."),
    click.option("--keep-networks", is_flag=True, help="Keep trained networks as safetensors, for `longlag probe`."),
    click.option(
        "--lens", "lenses", multiple=True, metavar="NAME", help="Look at the networks: reach, ...; repeatable."
    ),
    click.option(
        "--audit",
        type=click.Choice(["evaluations", "every"]),
        default="evaluations",
        show_default=True,
        help="How often compiled clips are held against their promise: before evaluations, or at every update.",
    ),
    click.option("--unchecked", is_flag=True, help="Train plugins whose contract is not checked; rows say so."),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where workers run: processes here, or on the nodes of a Ray cluster.",
    ),
    click.option("--address", metavar="HOST:PORT", help="Of a Ray cluster, or auto.  [default: start one here]"),
]


def training_options(command: Command) -> Command:
    """Add what `run` is told, and `plan` likewise: STUDY or a grid, and how to train it."""
    command = grid_options(results_option(command))
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def take_run_options(options: dict[str, Any]) -> "RunOptions":
    """Take out of a command's options those that say how it trains.

    Args:
        options: What `training_options` gave; what makes the study stays in it.

    Raises:
        UsageError: A value is out of range, or one that nothing would be done with.
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
