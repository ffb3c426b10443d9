"""A run: the missing trials of a study are trained, and committed as they end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.run.engines.base import Engine
from longlag.run.engines.cluster import Cluster, RayEngine
from longlag.run.engines.cohort import Train, train_cohort
from longlag.run.engines.local import LocalEngine
from longlag.run.plan import MEMORY, Plan, Retrain, check, compare, networks_of
from longlag.shards.spool import Spool
from longlag.store.schema import Facts
from longlag.store.store import Store, store_path
from longlag.values.trial import Status, TrialResult

TIMEOUT_SECONDS = 3600.0


class Results(Protocol):
    """The destination of finished trials: a store, or a shard."""

    def add(self, result: TrialResult, facts: Facts) -> None:
        """Take a finished trial."""

    def flush_if_due(self) -> None:
        """Write the waiting trials to the disk once the oldest has waited long enough."""

    def flush(self) -> None:
        """Write the waiting trials to the disk."""


class Observer(Protocol):
    """Shows a run's progress."""

    def started(self, plan: Plan) -> None:
        """Called when the plan is known and training begins."""

    def finished(self, result: TrialResult) -> None:
        """Called when a trial has ended."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a run; none of them changes a result.

    Attributes:
        workers: Processes.
        timeout_seconds: The longest that a trial may take; a cohort gets the sum.
        memory: Bytes that a worker may take for a cohort.
        retrain: Which stored results are trained again; with ``keep_networks`` each network is in its file before its
            trial's row is stored.
        unchecked: Whether nobody has checked the contract of plugins; if so, their rows say it.
        spool: The folder in which workers also keep finished trials; None for none.
        audit_every: Whether compiled passes are audited at every update; if not, at the last before each evaluation.
        cluster: The Ray cluster on which to train, to which this process is attached; None to train on this machine.
    """

    workers: int
    timeout_seconds: float = TIMEOUT_SECONDS
    memory: int = MEMORY
    retrain: Retrain = field(default_factory=Retrain)
    unchecked: bool = False
    spool: Spool | None = None
    audit_every: bool = False
    cluster: Cluster | None = None

    def engine(self, train: Train) -> Engine:
        """Return the engine that trains cohorts."""
        if self.cluster is None:
            return LocalEngine(self.workers, self.timeout_seconds, train)
        return RayEngine(self.workers, self.timeout_seconds, train, self.memory)


def run(study: Study, results: Path, options: RunOptions, observer: Observer) -> Counter[Status]:
    """Train the missing trials and return how the study's trials ended, including stored ones.

    A result is committed within half a second of its arrival; an interruption keeps what has arrived.

    Args:
        study: The study.
        results: The folder of all studies.
        options: The options of the run.
        observer: Notified of the plan and of each trial that ends.

    Raises:
        UsageError: The study cannot be trained here; nothing was written.
        StoreError: The store cannot be used; committed results stay.
    """
    check(study)
    planned = [(one.trial, one.facts) for one in study.planned]
    with Store.open_for_writing(store_path(study.name, results)) as store:
        plan = compare(study, store, results, options.retrain)
        store.write_plan(study.title, planned)
        look_again(store, study, results, plan, options.retrain.lenses)
        observer.started(plan)
        train_missing(plan, results, options, store, observer)
        held = store.stored()
    return Counter(held[trial.key].status for trial in plan.trials if trial.key in held)


def train_missing(plan: Plan, results: Path, options: RunOptions, into: Results, observer: Observer) -> None:
    """Train the missing trials of a plan, and write each to the disk as it ends.

    Args:
        plan: The plan.
        results: The results folder, in which networks are kept.
        options: The options of the run.
        into: The store or shard for finished trials.
        observer: Notified of each trial that ends.
    """
    folder = _networks(plan.study, results) if options.retrain.keep_networks else None
    train: Train = partial(
        train_cohort,
        networks=folder,
        unchecked=options.unchecked,
        lenses=options.retrain.lenses,
        audit_every=options.audit_every,
    )
    if options.spool is not None:
        train = options.spool.around(train)
    arriving = options.engine(train).run(plan.cohorts(options.workers, options.memory))
    try:
        for result in arriving:
            if result is not None:
                result = result if options.spool is None else options.spool.arrived(result)
                into.add(result, facts(result.trial))
                observer.finished(result)
            into.flush_if_due()
    finally:
        arriving.close()
    into.flush()


def look_again(store: Store, study: Study, results: Path, plan: Plan, lenses: Sequence[str]) -> None:
    """Apply lenses to the kept networks of trials that they have not looked at, and store their frames.

    Args:
        store: The study's store, open for writing.
        study: The study.
        results: The folder of all studies.
        plan: The plan, whose ``from_networks`` are these trials.
        lenses: Names of lenses.
    """
    if not plan.from_networks:
        return
    from longlag.lens.support.kept import frames_of_kept

    folder = networks_of(study, results)
    for trial in plan.from_networks:
        store.add_frames({trial.key: frames_of_kept(lenses, trial, folder, store.updates_done(trial.key))})


def _networks(study: Study, results: Path) -> Path:
    from longlag.training import checkpoints

    folder = networks_of(study, results).absolute()
    checkpoints.remove_parts(folder)
    return folder
