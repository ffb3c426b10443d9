"""The command that shows why networks forget: for stored trials, for one trial, or at initialisation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import grid_options, name_of, results_option
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.store.results import StudyData
    from longlag.values.trial import Trial

_AT_START = ("reach",)
"""The default lenses."""


@click.command()
@click.argument("study", required=False)
@click.option("--lens", "lenses", multiple=True, metavar="NAME", help="Which lens; repeatable.  [default: reach]")
@click.option("--trial", "key", metavar="KEY", help="One stored trial of STUDY, or the first digits of its key.")
@click.option("--name", help="Without STUDY: write to a folder of this name.  [default: initial]")
@grid_options
@results_option
def lens(
    study: str | None,
    lenses: tuple[str, ...],
    key: str | None,
    name: str | None,
    results: Path,
    **options: Any,
) -> None:
    """Show why networks forget: how far back the signal reaches, and the results of other lenses.

    With STUDY, for its stored trials: lenses that have not run on them measure their untrained and kept networks. With
    --task and --cell instead, at initialisation: nothing is trained or stored. `longlag list lenses` lists the lenses.
    """  # noqa: DOC501  (a command's help)
    from longlag.plan.lenses import checked_lenses

    named = checked_lenses(lenses, "--lens")
    given = {option: value for option, value in options.items() if value is not None and value != ()}
    if study is None:
        if key is not None:
            raise UsageError("--trial needs the STUDY that holds the trial")
        data = _at_start(named or _AT_START, name or "initial", given)
        _show(data, named or _AT_START, results)
        return
    if given or name is not None:
        first = next(iter(given), "name").replace("_", "-")
        raise UsageError(f"--{first} describes untrained networks: it cannot go with a STUDY, here {name_of(study)}")
    stored = name_of(study)
    data = _completed(stored, named, results, key)
    _show(data, named or tuple(sorted(data.lenses["lens"].unique())), results)


def _at_start(lenses: tuple[str, ...], name: str, options: dict[str, Any]) -> "StudyData":
    """Return the frames of a grid's networks before training."""
    from longlag.lens.support.asked import check_asked
    from longlag.lens.support.kept import frames_at_start
    from longlag.plan.study import adhoc
    from longlag.store.results import unstored

    study = adhoc(name, **options)
    trials = study.trials()
    check_asked(lenses, trials)
    return unstored(study, {trial.key: frames_at_start(lenses, trial) for trial in trials})


def _completed(study: str, lenses: tuple[str, ...], results: Path, key: str | None) -> "StudyData":
    """Return a stored study, after the requested lenses have run on trials without their frames.

    Raises:
        UsageError: The study has no trained trial or no frames, or a lens applies to none of its networks.
        StoreError: The store cannot be used.
    """
    from longlag.store.results import load_study

    data = load_study(study, results)
    keys = list(data.trials["key"]) if key is None else [_only(data, key)]
    if not keys:
        raise UsageError(f"study {study} holds no trained trial yet")
    if lenses and _look(data, lenses, results, keys):
        data = load_study(study, results)
    if data.lenses.empty:
        raise UsageError(f"study {study} has no results of lenses: name a lens by --lens, such as reach")
    return data if key is None else data.only(keys)


def _look(data: "StudyData", lenses: tuple[str, ...], results: Path, keys: list[str]) -> bool:
    """Run lenses on the untrained and kept networks of stored trials without their frames; return whether any ran."""
    from longlag.lens.support.asked import check_asked
    from longlag.lens.support.kept import frames_at_start, frames_of_kept
    from longlag.lens.support.named import versions
    from longlag.store.store import Store, store_path
    from longlag.training.checkpoints import folder_of, path_of
    from longlag.values.frames import END, START

    folder, without, looked = folder_of(data.name, results), 0, False
    with Store.open_for_writing(store_path(data.name, results)) as store:
        seen, held = store.looked_at(versions(lenses)), store.stored()
        trials: list[Trial] = [result.trial for one in keys if (result := store.result(one)) is not None]
        check_asked(lenses, trials)
        for trial in trials:
            kept = path_of(folder, trial.key).is_file()
            missing = [name for name in lenses if (trial.key, name, END if kept else START) not in seen]
            ended = {name for name in lenses if (trial.key, name, END) in seen}
            without += held[trial.key].has_network and not kept and len(ended) < len(lenses)
            if missing:
                of_trial = (missing, trial, folder, store.updates_done(trial.key))
                store.add_frames({trial.key: frames_of_kept(*of_trial) if kept else frames_at_start(missing, trial)})
                looked = True
    if without:
        command = f"longlag run {data.name} {' '.join(f'--lens {name}' for name in lenses)}"
        click.echo(
            f"{without} trials have no kept network: only initial ones are shown; {command} trains them again", err=True
        )
    return looked


def _only(data: "StudyData", key: str) -> str:
    """Return the key of the stored trial whose key begins with the given digits.

    Raises:
        UsageError: There is no such trial, or several.
    """
    keys = [one for one in data.trials["key"] if one.startswith(key)]
    if len(keys) != 1:
        what, more = (f"{len(keys)} stored trials have", "; give more digits") if keys else ("no stored trial has", "")
        raise UsageError(f"--trial: {what} a key that begins with {key!r} in study {data.name}{more}")
    return str(keys[0])


def _show(data: "StudyData", lenses: tuple[str, ...], results: Path) -> None:
    """Print tables and sentences, and write them and the figures into the study's folder."""
    from longlag.report.lens.figures import draw_lenses
    from longlag.report.lens.lines import render

    click.echo(render(data, lenses), nl=False)
    for path in draw_lenses(data, results / data.name, lenses):
        click.echo(path, err=True)
