"""A run: what is missing of a study is trained and committed as it comes."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Protocol

from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.run.engines.local import LocalEngine
from longlag.run.engines.worker import Train, train_cohort
from longlag.run.plan import MEMORY, Plan, make_plan
from longlag.store.store import Store, store_path
from longlag.values.trial import Status, TrialResult


class Observer(Protocol):
    """Whoever shows a run's progress."""

    def started(self, plan: Plan) -> None:
        """The plan is known and training begins."""

    def finished(self, result: TrialResult) -> None:
        """A trial has ended."""


def run(
    study: Study,
    results: Path,
    *,
    workers: int,
    timeout_seconds: float,
    fresh: bool,
    observer: Observer,
    memory: int = MEMORY,
    keep_networks: bool = False,
) -> Counter[Status]:
    """Train what is missing and return how the study's trials ended, the stored ones included.

    A result is committed within half a second of its arrival; an interruption keeps what has arrived. A network that
    is kept is in its file before its trial's row is stored.

    Raises:
        UsageError: The study names something impossible; nothing was written.
        StoreError: The store cannot be used; what was committed stays.
    """
    plan = make_plan(study, results, fresh, keep_networks)
    matches = study.matches()
    planned = [(trial, facts(trial, matches.get(trial.key))) for trial in plan.trials]
    with Store.open_for_writing(store_path(study.name, results)) as store:
        store.write_plan(study.title, planned)
        observer.started(plan)
        train = _keeping(study, results) if keep_networks else train_cohort
        arriving = LocalEngine(workers, timeout_seconds, train).run(plan.cohorts(workers, memory))
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


def _keeping(study: Study, results: Path) -> Train:
    from longlag.training import checkpoints

    folder = checkpoints.folder_of(study.name, results).absolute()
    checkpoints.remove_parts(folder)
    return partial(train_cohort, networks=folder)
