"""The plan of a run: the trials of a study that are not stored yet, divided into cohorts."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from longlag.plan.study import Study
from longlag.process import provenance
from longlag.run.costs import Pace, cohort_seconds, cohort_size, expected_seconds, pace_of
from longlag.store.store import Store, Stored, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.frames import END, START
from longlag.values.trial import Trial

COHORT_SIZES = (8, 4, 2, 1)
"""The cohort sizes to choose from, largest first; smaller ones keep all workers busy."""
MEMORY = 2**30
"""The bytes that a worker may use for a cohort, by default."""
TIMED = 64
"""The most stored trials from which this machine's pace is estimated."""
MOST_FAILED_RUNS = 3
"""The runs in a row in which a trial may fail or run out of time before later runs skip it."""
SEED_LADDER = (3, 5, 8, 10, 15, 20, 30, 50, 100)
"""The numbers of seeds that a study may be reduced to."""


@dataclass(frozen=True)
class Plan:
    """The trials that a run of a study would train, and those that are stored.

    Attributes:
        study: The study.
        trials: All of its trials.
        missing: The trials to train.
        outside: Stored trials that the study does not hold.
        other_source: Stored trials of the study that other source code made.
        without_network: Stored trials to train again because their network was not kept.
        without_lens: Stored trials to train again because a lens has not looked at them.
        skipped: Trials that are not trained, since they failed or ran out of time in `MOST_FAILED_RUNS` runs.
        from_networks: Stored trials that a lens has not looked at, but whose networks were kept for it.
        unhashed: Stored trials with plugins whose code a hash does not cover: whether the present code made them
            cannot be known.
        pace: This machine's pace, from the study's stored trials; None where none was made by its processor.
    """

    study: Study
    trials: tuple[Trial, ...]
    missing: tuple[Trial, ...]
    outside: int
    other_source: int
    without_network: int = 0
    without_lens: int = 0
    skipped: tuple[Trial, ...] = ()
    from_networks: tuple[Trial, ...] = ()
    unhashed: int = 0
    pace: Pace | None = None

    @property
    def stored(self) -> int:
        """The number of its trials that have a result which stays."""
        return len(self.trials) - len(self.missing) - len(self.skipped)

    @property
    def skipped_line(self) -> str:
        """The line that tells the user of skipped trials; empty where there are none."""
        if not self.skipped:
            return ""
        count = "1 trial" if len(self.skipped) == 1 else f"{len(self.skipped)} trials"
        failed = f"failed or ran out of time in {MOST_FAILED_RUNS} runs, such as {self.skipped[0].key}"
        return f"{count} {failed}: --retry trains them again"

    def cohorts(self, workers: int = 1, memory: int = MEMORY) -> list[tuple[Trial, ...]]:
        """Divide the missing trials into cohorts, of the size with which the run is expected to end first.

        Large cohorts share the fixed cost of an update; small ones keep workers from waiting for the last. The most
        expensive cohorts come first.

        Args:
            workers: Processes that train them.
            memory: Bytes that a worker may use for a cohort.
        """
        alike: dict[object, list[Trial]] = defaultdict(list)
        for trial in self.missing:
            alike[trial.cohort].append(trial)
        for trials in alike.values():
            trials.sort(key=lambda trial: (trial.seed, trial.lr, trial.clip))  # trials of one seed share their batches
        cuts = (_cut(alike.values(), memory, most) for most in COHORT_SIZES)
        _, cohorts = min(cuts, key=lambda cut: _duration(cut[0], workers))
        return cohorts

    def seconds(self, workers: int) -> float:
        """Estimate the seconds of the run on a server with AVX-512; trials that stop early make it shorter."""
        return sum(expected_seconds(trial) for trial in self.missing) / workers

    def seconds_here(self, workers: int) -> float:
        """Estimate the seconds of the run at this machine's pace; only shown to the user, nothing is decided by it."""
        return self.seconds(workers) * (self.pace.times if self.pace else 1.0)


def _cut(groups: Iterable[list[Trial]], memory: int, most: int) -> tuple[list[float], list[tuple[Trial, ...]]]:
    """Divide groups of trials that may train together; return costs and cohorts, the most expensive first."""
    cut: list[tuple[float, tuple[Trial, ...]]] = []
    for trials in groups:
        size = cohort_size(trials[0], memory, most)
        parts = [tuple(trials[i : i + size]) for i in range(0, len(trials), size)]
        seconds = {len(part): cohort_seconds(part) for part in (parts[0], parts[-1])}
        cut += [(seconds[len(part)], part) for part in parts]
    cut.sort(key=lambda part: -part[0])
    return [cost for cost, _ in cut], [cohort for _, cohort in cut]


def _duration(costs: Sequence[float], workers: int) -> float:
    """Return how long workers take for cohorts, the most expensive first, each given to the next free worker.

    Since trials may end early, the last worker is expected to take half a cohort longer than this order would.

    >>> _duration([4.0], 1), _duration([4.0], 2), _duration([2.0, 2.0], 2)
    (4.0, 5.0, 2.5)
    """
    if not costs:
        return 0.0
    busy = [0.0] * workers
    for cost in costs:
        heapq.heapreplace(busy, busy[0] + cost)
    return max(busy) + (1 - 1 / workers) / 2 * sum(costs) / len(costs)


@dataclass(frozen=True)
class Retrain:
    """The stored results that are trained again.

    Attributes:
        fresh: Whether to train results again that other source code made.
        keep_networks: Whether to train results again whose network was not kept.
        lenses: Lenses that look at all trials: a stored trial that the present version of a lens has not looked at is
            trained again, unless its network was kept.
        retry: Whether to train trials again that failed or ran out of time in `MOST_FAILED_RUNS` runs.
    """

    fresh: bool = False
    keep_networks: bool = False
    lenses: tuple[str, ...] = ()
    retry: bool = False

    def gives_up(self, runs_failed: int) -> bool:
        """Return whether to skip a trial that failed in this many runs."""
        return runs_failed >= MOST_FAILED_RUNS and not self.retry


def make_plan(study: Study, results: Path, retrain: Retrain = Retrain()) -> Plan:
    """Compare a study with the stored trials in a results folder; nothing is written.

    Raises:
        UsageError: The study cannot be trained here.
        StoreError: The store cannot be read.
    """
    check(study)
    path = store_path(study.name, results)
    if not path.exists():
        return compare(study, None, results, retrain)
    with Store.open_for_reading(path) as store:
        return compare(study, store, results, retrain)


def check(study: Study) -> None:
    """Refuse a study that cannot be trained here; its trials are made for the check.

    Raises:
        UsageError: It cannot be trained here.
    """
    if any(planned.trial.device == "cuda" for planned in study.planned):
        _need_cuda()


def compare(study: Study, store: Store | None, results: Path, retrain: Retrain) -> Plan:
    """Compare a study with an open store, or with none.

    Args:
        study: The study, checked.
        store: Its store; None where there is none yet.
        results: The results folder, in which networks are kept.
        retrain: The stored results that are trained again.
    """
    trials = tuple(study.trials())
    held = {} if store is None else store.stored()
    keys = {trial.key for trial in trials}
    other, unhashed = set[str](), set[str]()
    if store is not None:
        other, unhashed = _of_other_source(store, held, trials)
    stale = other | unhashed if retrain.fresh else set()
    done = {key for key, row in held.items() if row.status.is_result and key not in stale}
    bare = set()
    if store is not None and retrain.keep_networks:
        bare = _without_network(store, networks_of(study, results), held, done & keys)
    done -= bare
    unseen, kept = set[str](), set[str]()
    if store is not None and retrain.lenses:
        unseen = _without_lens(store, retrain.lenses, {key: held[key] for key in done & keys})
        trained = {key for key in unseen if held[key].has_network}
        kept = trained - _without_network(store, networks_of(study, results), held, trained)
    done -= unseen - kept
    skipped = {key for key, row in held.items() if retrain.gives_up(row.runs_failed) and key not in stale}
    return Plan(
        study=study,
        trials=trials,
        missing=tuple(trial for trial in trials if trial.key not in done and trial.key not in skipped),
        skipped=tuple(trial for trial in trials if trial.key in skipped),
        outside=len(held.keys() - keys),
        other_source=len(other),
        unhashed=len(unhashed),
        without_network=len(bare),
        without_lens=len(unseen - kept),
        from_networks=tuple(trial for trial in trials if trial.key in kept),
        pace=None if store is None else pace_of(_timed(store, [trial for trial in trials if trial.key in held])),
    )


def _of_other_source(store: Store, held: Mapping[str, Stored], trials: Sequence[Trial]) -> tuple[set[str], set[str]]:
    """Return the keys of a study's stored trials that other code made, and of those for which that is unknown."""
    present = provenance.source_hash()
    other = {trial.key for trial in trials if trial.key in held and held[trial.key].source != present}
    unhashed = set[str]()
    # The source of a trial with plugins covers more than the present hash.
    for key in [trial.key for trial in trials if trial.plugins and trial.key in other]:
        result = store.result(key)
        assert result is not None
        if provenance.is_present(held[key].source, result.environment):
            other.remove(key)
            if provenance.UNHASHED in result.environment:
                unhashed.add(key)
    return other, unhashed


def _timed(store: Store, stored: Sequence[Trial]) -> list[tuple[Trial, int, float]]:
    """Return updates and seconds of a few stored trials that this processor trained."""
    by_key = {trial.key: trial for trial in heapq.nsmallest(TIMED, stored, key=lambda trial: trial.key)}
    durations = store.durations(list(by_key))
    here = provenance.environment()["cpu"]
    return [(by_key[key], updates, seconds) for key, (updates, seconds, cpu) in durations.items() if cpu == here]


def _without_network(store: Store, folder: Path, held: Mapping[str, Stored], done: set[str]) -> set[str]:
    """Return the keys of stored trials whose network is not in the folder."""
    from longlag.training.checkpoints import is_kept

    trained = {key for key in done if held[key].has_network}
    marks = store.fingerprints() if trained else {}
    return {key for key in trained if not is_kept(folder, key, marks[key])}


def _without_lens(store: Store, lenses: Sequence[str], done: Mapping[str, Stored]) -> set[str]:
    """Return the keys of stored trials that lack frames of some of these lenses in their present versions."""
    from longlag.lens.support.named import versions

    seen = store.looked_at(versions(lenses))
    last = {key: END if row.has_network else START for key, row in done.items()}
    return {key for key, phase in last.items() if any((key, name, phase) not in seen for name in lenses)}


def networks_of(study: Study, results: Path) -> Path:
    """Return the folder in which a study's networks are kept."""
    from longlag.training.checkpoints import folder_of

    return folder_of(study.name, results)


def fitted(study: Study, workers: int, minutes: float) -> Study:
    """Return the study with the most seeds of `SEED_LADDER` that are expected to fit; its title has the number.

    The whole study is counted, stored trials included, so that the same command again chooses the same seeds.

    Raises:
        UsageError: Even the smallest number of seeds takes longer.
    """
    most = max(len(grid.seeds) for grid in study.grids)
    for count in sorted({min(count, most) for count in SEED_LADDER}, reverse=True):
        grids = tuple(grid.changed(seeds=grid.seeds[:count]) for grid in study.grids)
        cut = replace(study, grids=grids, title=f"{study.title} ({count} of {most} seeds, to fit {minutes:g} minutes)")
        seconds = sum(expected_seconds(trial) for trial in cut.trials()) / workers
        if seconds <= 60 * minutes:
            return cut
    raise UsageError(
        f"--budget-minutes {minutes:g}: study {study.name} with {count} seeds takes about {seconds / 60:.3g} minutes"
    )


def _need_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise UsageError("device cuda (--device, or a study's key): this machine has no CUDA device that torch can use")
