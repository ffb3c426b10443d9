"""The command that tests trained networks on the user's sentences."""

from pathlib import Path

import click

from longlag.cli.options import asked, name_of, plugin_option, results_option
from longlag.tasks.support.errors import UsageError

_PROBLEMS_SHOWN = 20


@click.command()
@click.argument("study")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE...")
@plugin_option
@results_option
def probe(study: str, files: tuple[Path, ...], results: Path) -> None:
    """Score minimal pairs with the networks that STUDY kept.

    STUDY was run with --keep-networks on a task that reads words. A FILE holds lines of condition, grammatical and
    ungrammatical sentence, tabs or commas between them, in this order or that of a header line, or BLiMP's JSON.
    """
    from longlag.experiments.minimal_pairs import read_all

    if not files:
        raise UsageError("probe needs at least one FILE of minimal pairs")
    pairs, problems = read_all(files)

    import pandas as pd

    from longlag.experiments.scoring import probe as score
    from longlag.report import probing

    found, study = score(asked(study), results, pairs), name_of(study)
    for problem in problems[:_PROBLEMS_SHOWN]:
        click.echo(f"left out: {problem}", err=True)
    if len(problems) > _PROBLEMS_SHOWN:
        click.echo(f"left out: {len(problems) - _PROBLEMS_SHOWN} further lines, in malformed.csv", err=True)
    if found.without:
        click.echo(
            f"{found.without} trials of {study} have no network kept; run it again with --keep-networks", err=True
        )
    table = probing.accuracies(found.trials, found.scores)
    click.echo(probing.render(table, found.trials, found.coverage, found.words), nl=False)
    malformed = pd.DataFrame([vars(problem) for problem in problems], columns=["file", "line", "reason"])
    tables = {"networks": found.scores, "coverage": found.coverage, "words": found.words, "malformed": malformed}
    for path in probing.write(table, found.trials, tables, results / study / "probe"):
        click.echo(path, err=True)
