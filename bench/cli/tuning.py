"""The command that chooses a study's learning rates."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import plugin_option, results_option
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("study")
@click.option("--write", is_flag=True, help="Put the rates into the study's file.")
@click.option("--workers", type=int, help="Training processes.  [default: all cores]")
@plugin_option
@results_option
def tune(study: str, write: bool, workers: int | None, results: Path) -> int:
    """Run the tuning study of STUDY, resuming what is stored, and print the best learning rates.

    Every task, cell and clip is tried at the same rates and seeds, other seeds than those STUDY reports.
    """
    from longlag.cli.planning import checked_workers
    from longlag.cli.training import EXIT_SOME_FAILED, train_study
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
    ended = train_study(plan, results, workers=checked_workers(workers))
    if any(not status.is_result for status in ended):
        return EXIT_SOME_FAILED
    choices = tuning.choose(stored.load(tuned_by, results))
    folder = results / tuned_by / "tables"
    folder.mkdir(exist_ok=True)
    stored.write_csv(choices, folder / "rates.csv")
    _print(choices)
    if write:
        tuning.write(choices, path)
        click.echo(f"written to {path}", err=True)
    return 0


def need_writable(path: Path) -> None:
    """Refuse, before anything is trained, a study's file that rates cannot be put into."""
    from longlag.experiments import tuning
    from longlag.plan import files

    shipped = path.parent == files.STUDIES
    if shipped and not (files.STUDIES.parents[2] / "pyproject.toml").exists():
        raise UsageError("--write changes the study's file: it needs a checkout, this is an installed package")
    tuning.marked(path)


def _seeds(study: object) -> list[int]:
    return [seed for grid in study.grids for seed in grid.seeds]  # type: ignore[attr-defined]


def _print(choices: "pd.DataFrame") -> None:
    for task, rows in choices.groupby("task", sort=True):
        click.echo(f"\n{task}")
        for row in rows.to_dict("records"):
            edge = f"  the {row['edge']} rate tried" if row["edge"] else ""
            tried = f"{row['all_solved']}/{row['all_tries']} over {row['rates_tried']} rates"
            best = f"{row['lr']:<8g} {row['solved']}/{row['tries']} solved, {tried}"
            click.echo(f"  {row['cell']:38} {row['clip']:10} {row['optimizer']:18} {best}{edge}")
    share = choices["all_solved"].sum() / choices["all_tries"].sum()
    click.echo(f"\n{share:.0%} of all tries solve their task; {int((choices['edge'] != '').sum())} of "
               f"{len(choices)} best rates lie at the edge of what was tried")  # fmt: skip
