"""The command that trains a stored trial once more."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import plugin_option, results_option
from longlag.process.guards import first_line
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.values.trial import Trial, TrialResult

EXIT_DIFFERENT = 1


@click.command()
@click.argument("key")
@plugin_option
@results_option
def rerun(key: str, results: Path) -> int:
    """Train one stored trial again, alone, and show its new and its stored numbers.

    KEY is the key of a stored trial, or enough of its first digits. Exits with 1 if the numbers differ.
    """  # noqa: DOC501  (a command's help)
    from longlag.process import provenance
    from longlag.run.engines.cohort import train_cohort

    stored = _find_result(key, results)
    need_plugins(stored.trial)
    trained: list[TrialResult] = []
    try:
        train_cohort([stored.trial], trained.append, provenance.environment())
    except Exception as error:
        if not stored.trial.plugins:
            raise
        raise UsageError(f"trial {stored.trial.key} with plugin {stored.trial.plugins}: {first_line(error)}") from error
    click.echo(f"{'':20} {'stored':>24} {'again':>24}")
    same = True
    for name in ("status", "error", "updates", "updates_to_solve", "diverged_at", "grad_norm_max", "clipped_fraction"):
        before, after = getattr(stored, name), getattr(trained[0], name)
        same &= before == after
        click.echo(f"{name:20} {_text(before):>24} {_text(after):>24}")
    same &= stored.measurements == trained[0].measurements and stored.transfer == trained[0].transfer
    click.echo("all numbers are the same, in every evaluation" if same else "the numbers differ")
    names = (stored.environment.keys() | trained[0].environment.keys()) - {provenance.UNCHECKED}
    if differing := sorted(n for n in names if stored.environment.get(n) != trained[0].environment.get(n)):
        click.echo(f"the stored trial was made with other {', '.join(differing)}")
    return 0 if same else EXIT_DIFFERENT


def _find_result(key: str, results: Path) -> "TrialResult":
    from longlag.store.store import Store

    stores: dict[str, Path] = {}
    for path in sorted(results.glob("*/store.sqlite")):
        with Store.open_for_reading(path) as store:
            stores |= {stored: path for stored in store.stored() if stored.startswith(key)}
    if len(stores) != 1:
        what, more = (
            (f"{len(stores)} stored trials have", "; give more digits") if stores else ("no stored trial has", "")
        )
        raise UsageError(f"{what} a key that begins with {key!r} in {results}{more}")
    (whole, path) = stores.popitem()
    with Store.open_for_reading(path) as store:
        result = store.result(whole)
    assert result is not None
    return result


def need_plugins(trial: "Trial") -> None:
    """Check that the plugins in use are those that a trial was made with.

    Raises:
        UsageError: A plugin of the trial is not in use, or has other contents.
    """
    from longlag import registry

    labels = {made.name: made.label for made in registry.used()}
    for label in filter(None, trial.plugins.split(",")):
        name = label.partition(":")[0]
        if name not in labels and not any(name in registry.offered(kind) for kind, _ in trial.specs):
            raise UsageError(f"trial {trial.key} was made with the plugin {label}: give its file by --plugin")
        if labels.get(name, label) != label:
            raise UsageError(f"trial {trial.key} was made with the plugin {label}; the file given is {labels[name]}")


def _text(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
