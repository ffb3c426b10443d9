"""Trains one cohort, in any process, and notes what its plugins load and change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from longlag import registry
from longlag.process import provenance
from longlag.process.own_code import Sources, told_data
from longlag.registry.plugins import Plugin
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial, TrialResult

Train = Callable[[Sequence[Trial], Callable[[TrialResult], None], dict[str, Any]], None]
"""The function that trains a cohort in a worker: `train_cohort`, or in tests one that fails."""


def train_cohort(
    trials: Sequence[Trial],
    report: Callable[[TrialResult], None],
    environment: dict[str, Any],
    networks: Path | None = None,
    unchecked: bool = False,
    lenses: Sequence[str] = (),
    audit_every: bool = False,
) -> None:
    """Call `longlag.training.cohort.train`, which loads torch; keep networks in a folder.

    Args:
        trials: The cohort.
        report: Called with each result.
        environment: Versions and processor, stored with each result.
        networks: The folder in which trained networks are kept; None to keep none.
        unchecked: Whether the contract of plugins was not checked, which is stored in their rows.
        lenses: The lenses whose frames go with each result.
        audit_every: Whether compiled passes are audited at every update; if not, at the last before each evaluation.
    """
    from longlag.training.cohort import train

    for trial in trials:
        need_data(trial)
    if any(trial.plugins for trial in trials):
        report = watched(trials, report)
    keep = None
    if networks is not None:
        from longlag.training import checkpoints

        keep = partial(checkpoints.keep, networks)
    look = None
    if lenses:
        from longlag.lens.support.watching import Watch

        watch = Watch(lenses)
        report, look = watch.with_frames(report), watch.look
    of_made = of_plugins(trials)
    of_made |= {provenance.UNCHECKED: True} if unchecked and of_made else {}
    train(trials, report, environment | provenance.numerics() | of_made, keep, look, audit_every)


def need_data(trial: Trial) -> None:
    """Refuse a trial whose task would read other data than those it was planned with.

    Raises:
        UsageError: The files that its task reads hold other data now.
    """
    if (here := registry.data_of(trial.task)) != trial.data:
        held, now = (label or "of no file" for label in (trial.data, here))
        raise UsageError(f"trial {trial.key} is of task {trial.task} on the data {held}; the data here is {now}")


def watched(trials: Sequence[Trial], report: Callable[[TrialResult], None]) -> Callable[[TrialResult], None]:
    """Return a report function that refuses results of plugins which changed global state.

    Raises:
        RuntimeError: A plugin changed global state; raised when a result is reported.
        UsageError: The plugins of this process are not those of the trials.
    """
    from longlag.process import state

    for trial in trials:
        labels = registry.labels_of(trial.specs)
        if labels != trial.plugins:
            raise UsageError(f"the trial was planned with plugins {trial.plugins or 'none'}, not {labels or 'none'}")
    before = state.random_state()
    with state.arithmetic():  # as at each report
        settings = state.settings()

    def checked(result: TrialResult) -> None:
        moved = [f"the global random state of {library}" for library in state.moved(before)]
        if moved := moved + state.changed(settings):
            raise RuntimeError(f"changes {', '.join(moved)}")
        report(replace(result, environment=result.environment | seen_later(trials, result.environment)))

    return checked


def seen_later(trials: Sequence[Trial], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's entries on what its cohort's plugins loaded or read after import, and its new source hash.

    Args:
        trials: The cohort.
        environment: The environment of its rows so far.
    """
    entries, later = dict[str, Any](), dict[str, str]()
    unhashed = set(environment.get(provenance.UNHASHED, ()))
    for made in plugins_of(trials):
        seen = registry.seen_later(made)
        later |= seen.files
        unhashed |= set(_unhashed(made, seen, trials))
    entries |= {provenance.LATER: dict(sorted(later.items()))} if later else {}
    entries |= {provenance.UNHASHED: sorted(unhashed)} if unhashed else {}
    return entries | _source(later, sorted(unhashed)) if entries else {}


def _source(later: Mapping[str, str], unhashed: Sequence[str]) -> dict[str, str]:
    source = provenance.source_with(later, unhashed)
    return {"source": source, provenance.OF_LONGLAG: provenance.source_hash()}


def _unhashed(made: Plugin, seen: Sources, trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the parts of a plugin that no hash covers; a task's data is covered where it has a digest of its own."""
    covered = made.kind == "task" and any(trial.data for trial in trials)
    for what in (*seen.unknown, *([] if covered else told_data(seen))):
        yield f"{made.name}: {what}"


def of_plugins(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the entries of a row on its cohort's plugins: their files, and the parts that no hash covers."""
    used = plugins_of(trials)
    if not used:
        return {}
    entries: dict[str, Any] = {"plugins": ", ".join(sorted(made.path for made in used))}
    libraries = {name: number for made in used for name, number in made.sources.versions.items()}
    if libraries:
        entries["libraries"] = dict(sorted(libraries.items()))
    if unhashed := sorted({what for made in used for what in _unhashed(made, made.sources, trials)}):
        entries |= {provenance.UNHASHED: unhashed} | _source({}, unhashed)
    return entries


def plugins_of(trials: Sequence[Trial]) -> set[Plugin]:
    """Return the plugins of a cohort."""
    return {made for trial in trials if trial.plugins for made in registry.plugins_of(trial.specs)}
