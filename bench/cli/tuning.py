"""The command that chooses a study's learning rates."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import plugin_option, results_option
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from longlag.plan.study import Study


@click.command()
@click.argument("study")
@click.option("--write", is_flag=True, help="Put the rates into the study's file.")
@click.option("--workers", type=int, help="Training processes.  [default: all cores]")
@plugin_option
@results_option
def tune(study: str, write: bool, workers: int | None, results: Path) -> int:
    """Run or resume the tuning study of STUDY, and print the best learning rates.

    Seeds that STUDY does not report first try the rates of the tuning study, then the neighbours of the best rates,
    until every best rate has one within a factor of 1.5 on both sides. All clips of a cell try the same rates.
    """  # noqa: DOC501  (a command's help)
    from longlag.cli.ending import EXIT_SOME_FAILED
    from longlag.cli.options import checked_workers
    from longlag.experiments import tuning
    from longlag.plan import files
    from longlag.store import results as stored

    tuned = files.find(study)
    path, tuned_by = Path(tuned.origin), tuned.tuning
    if tuned_by is None:
        raise UsageError(f'study {study} names no tuning study: add a line such as tuning = "tune" to {path}')
    if write:
        need_writable(path)
    plan = files.find(tuned_by)
    if set(_seeds(plan)) & set(_seeds(tuned)):
        raise UsageError(
            f"studies {tuned_by} and {study} share seeds: rates are chosen on other seeds than those reported"
        )
    trials = _searched(plan, results, checked_workers(workers))
    if trials is None:
        return EXIT_SOME_FAILED
    choices = tuning.choose(trials)
    folder = results / plan.name / "tables"
    folder.mkdir(exist_ok=True)
    stored.write_csv(choices, folder / "rates.csv")
    _print(choices)
    if write:
        tuning.write(choices, path)
        click.echo(f"written to {path}", err=True)
    return 0


def _searched(plan: "Study", results: Path, workers: int) -> "pd.DataFrame | None":
    """Train a tuning study with all further rates; return its trials, or None if some failed."""
    from longlag.cli.training import train_study
    from longlag.experiments import tuning
    from longlag.run.run import RunOptions
    from longlag.store.results import load

    def train(study: "Study") -> "pd.DataFrame | None":
        ended = train_study(study, results, RunOptions(workers))
        return load(study.name, results) if all(status.is_result for status in ended) else None

    return tuning.searched(plan, train)


def need_writable(path: Path) -> None:
    """Check, before anything is trained, that rates can be written into a study's file.

    Raises:
        UsageError: The file is part of an installed package, or no comments in it mark the rates.
    """
    from longlag.experiments import tuning
    from longlag.plan import files

    shipped = path.parent == files.STUDIES
    if shipped and not (files.STUDIES.parents[2] / "pyproject.toml").exists():
        raise UsageError("--write changes the study's file, which needs a checkout: this is an installed package")
    tuning.marked(path)


def _seeds(study: object) -> list[int]:
    return [seed for grid in study.grids for seed in grid.seeds]  # type: ignore[attr-defined]


def _print(choices: "pd.DataFrame") -> None:
    for task, rows in choices.groupby("task", sort=True):
        click.echo(f"\n{task}")
        for row in rows.to_dict("records"):
            setting = f"{row['cell']:38} {row['clip']:10} {row['optimizer']:18}"
            tried = f"{row['rates_tried']} rates from {row['lowest']:g} to {row['highest']:g}"
            solved = f"{row['solved']}/{row['tries']} solved, {row['all_solved']}/{row['all_tries']} over {tried}"
            click.echo(f"  {setting} {row['lr']:<8g} {solved}{_REMARKS.get(row['basis'], '')}")
    share = choices["all_solved"].sum() / choices["all_tries"].sum()
    without = int(choices["basis"].isin(["neighbour", "none"]).sum())
    click.echo(
        f"\n{share:.0%} of all tries solve their task; for {without} of {len(choices)} settings no rate was found"
    )


_REMARKS = {
    "coarse": "; the rates next to it are further than a factor of 1.5 away",
    "edge": "; the last rate on its side that can be tried",
    "neighbour": "; no rate found: another clip's rate",
    "none": "; no rate found: the rate with the lowest errors",
}
