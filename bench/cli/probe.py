"""The command that tests trained networks on the user's sentences."""

from pathlib import Path

import click

from longlag.cli.options import name_of, plugin_option, results_option, subject_of
from longlag.tasks.support.errors import UsageError

_PROBLEMS_SHOWN = 20


@click.command()
@click.argument("study")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE...")
@plugin_option
@results_option
def probe(study: str, files: tuple[Path, ...], results: Path) -> None:
    """Score minimal pairs with the networks that STUDY kept.

    STUDY was run with --keep-networks on a task that reads words. A FILE is a table with tabs or commas, with columns
    condition, grammatical, ungrammatical or those of its header line, or BLiMP's JSON.
    """  # noqa: DOC501  (a command's help)
    from longlag.experiments.minimal_pairs import read_all

    if not files:
        raise UsageError("probe needs at least one FILE of minimal pairs")
    pairs, problems = read_all(files)

    import pandas as pd

    from longlag.experiments.scoring import probe as score
    from longlag.report import probing

    probed, study = score(subject_of(study), results, pairs), name_of(study)
    for problem in problems[:_PROBLEMS_SHOWN]:
        click.echo(f"left out: {problem}", err=True)
    if len(problems) > _PROBLEMS_SHOWN:
        click.echo(f"left out: {len(problems) - _PROBLEMS_SHOWN} further lines, in malformed.csv", err=True)
    if probed.without:
        click.echo(
            f"{probed.without} trials of {study} have no kept network; run it again with --keep-networks", err=True
        )
    table = probing.accuracies(probed.trials, probed.scores)
    click.echo(probing.render(table, probed.trials, probed.coverage, probed.words), nl=False)
    malformed = pd.DataFrame([vars(problem) for problem in problems], columns=["file", "line", "reason"])
    tables = {"networks": probed.scores, "coverage": probed.coverage, "words": probed.words, "malformed": malformed}
    for path in probing.write(table, probed.trials, tables, results / study / "probe"):
        click.echo(path, err=True)
