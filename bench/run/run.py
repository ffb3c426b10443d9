"""A run: what is missing of a study is trained and committed as it comes."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.run.engines.local import LocalEngine
from longlag.run.engines.worker import train_cohort
from longlag.run.plan import MEMORY, Plan, Retrain, check, compare, networks_of
from longlag.store.store import Store, store_path
from longlag.values.trial import Status, TrialResult


class Observer(Protocol):
    """Whoever shows a run's progress."""

    def started(self, plan: Plan) -> None:
        """The plan is known and training begins."""

    def finished(self, result: TrialResult) -> None:
        """A trial has ended."""


@dataclass(frozen=True)
class RunOptions:
    """RunOptions a study is trained; none of it changes a result.

    Attributes:
        workers: Processes.
        timeout_seconds: The longest that a cohort may take.
        memory: Bytes that a worker may take for a cohort.
        retrain: Which stored results are trained again; with ``keep_networks`` each network is in its file before its
            trial's row is stored.
        unchecked: Whether nobody has checked the contract of plugins, which rows say then.
        audit_every: Whether compiled passes are audited at every update, or at the last before each evaluation.
    """

    workers: int
    timeout_seconds: float
    memory: int = MEMORY
    retrain: Retrain = field(default_factory=Retrain)
    unchecked: bool = False
    audit_every: bool = False


def run(study: Study, results: Path, options: RunOptions, observer: Observer) -> Counter[Status]:
    """Train what is missing and return how the study's trials ended, the stored ones included.

    A result is committed within half a second of its arrival; an interruption keeps what has arrived.

    Raises:
        UsageError: The study names something impossible; nothing was written.
        StoreError: The store cannot be used; what was committed stays.
    """
    check(study)
    planned = [(one.trial, one.facts) for one in study.planned]
    with Store.open_for_writing(store_path(study.name, results)) as store:
        plan = compare(study, store, results, options.retrain)
        store.write_plan(study.title, planned)
        observer.started(plan)
        folder = _networks(study, results) if options.retrain.keep_networks else None
        train = partial(train_cohort, networks=folder, unchecked=options.unchecked, audit_every=options.audit_every)
        arriving = LocalEngine(options.workers, options.timeout_seconds, train).run(
            plan.cohorts(options.workers, options.memory)
        )
        try:
            for result in arriving:
                if result is not None:
                    store.add(result, facts(result.trial))
                    observer.finished(result)
                store.flush_if_due()
        finally:
            arriving.close()
        store.flush()
        held = store.stored()
    return Counter(held[trial.key].status for trial in plan.trials if trial.key in held)


def _networks(study: Study, results: Path) -> Path:
    from longlag.training import checkpoints

    folder = networks_of(study, results).absolute()
    checkpoints.remove_parts(folder)
    return folder
