"""A run of one share of a study, which ends in a shard instead of the study's store."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from longlag.plan.study import Study
from longlag.process import provenance
from longlag.run.costs import pace_of
from longlag.run.plan import TIMED, Plan, Retrain, check, networks_of
from longlag.run.run import Observer, RunOptions, train_missing
from longlag.run.shares import shares
from longlag.shards.file import ENDING, NotBegunError, count_line, read_lines, replaces, shards_of
from longlag.shards.header import Header, Share
from longlag.shards.writing import ShardWriter
from longlag.store.file import StoreError
from longlag.values.trial import Status, Trial, TrialResult


def shard_path(study: str, results: Path, share: Share) -> Path:
    """Return the file that a share is written to.

    >>> shard_path("quick", Path("results"), Share(3, 64)).as_posix()
    'results/quick/shards/3-of-64.jsonl'
    """
    return shards_of(study, results) / f"{share.number}-of-{share.count}{ENDING}"


def run_shard(
    study: Study, results: Path, share: Share, header: Header, options: RunOptions, observer: Observer
) -> Counter[Status]:
    """Train the missing trials of a share and return how its trials ended, including those of earlier runs.

    Trials in the shard are not trained again; the store is not read.

    Args:
        study: The study.
        results: The results folder.
        share: The share.
        header: The first line of the shard.
        options: The options of the run.
        observer: Notified of the plan and of each trial that ends.

    Raises:
        UsageError: The study cannot be trained here, or the shard holds another plan; nothing was written.
        StoreError: The shard cannot be used; finished trials stay.
    """
    check(study)
    trials = _dealt(study, share)
    path = shard_path(study.name, results, share)
    if path.parent.resolve() != (results / study.name).resolve() / path.parent.name:
        raise StoreError(f"{path.parent} leads out of {results / study.name}: no shard is written there")
    with ShardWriter.open(path, header) as shard:
        plan = _compare(study, trials, shard.held, shard.runs_failed, results, options.retrain)
        observer.started(plan)
        train_missing(plan, results, options, shard, observer)
        return Counter(shard.held[trial.key].status for trial in trials if trial.key in shard.held)


def plan_shard(study: Study, results: Path, share: Share, retrain: Retrain) -> Plan:
    """Compare a share with the content of its shard; nothing is written.

    Args:
        study: The study.
        results: The results folder.
        share: The share.
        retrain: The results in the shard that are trained again.

    Raises:
        UsageError: The study cannot be trained here.
        StoreError: The shard cannot be read.
    """
    check(study)
    trials, path = _dealt(study, share), shard_path(study.name, results, share)
    held, runs_failed = dict[str, TrialResult](), Counter[str]()
    with suppress(NotBegunError):
        for line in read_lines(path) if path.exists() else ():
            if line.result is None:
                continue
            count_line(line.result, runs_failed)
            if replaces(line.result, held.get(line.result.trial.key)):
                held[line.result.trial.key] = line.result
    return _compare(study, trials, held, runs_failed, results, retrain)


def _dealt(study: Study, share: Share) -> tuple[Trial, ...]:
    return tuple(shares(study.trials(), share.count)[share.number - 1])


def _compare(
    study: Study,
    trials: tuple[Trial, ...],
    lines: Mapping[str, TrialResult],
    runs_failed: Mapping[str, int],
    results: Path,
    retrain: Retrain,
) -> Plan:
    """Compare a share with the content of its shard.

    Args:
        study: The study.
        trials: The trials of the share.
        lines: The shard's results, by key.
        runs_failed: The runs in a row in which a trial failed or ran out of time, by key.
        results: The results folder.
        retrain: The results that are trained again.
    """
    held = {trial.key: lines[trial.key] for trial in trials if trial.key in lines}
    stale = {key for key, one in held.items() if not provenance.is_present(_source(one), one.environment)}
    done = {key for key, one in held.items() if one.status.is_result and not (retrain.fresh and key in stale)}
    bare = _without_network(study, {key: held[key] for key in done}, results) if retrain.keep_networks else set()
    lost = {key for key, one in held.items() if not one.status.is_result and not (retrain.fresh and key in stale)}
    skipped = {key for key in lost if retrain.gives_up(runs_failed.get(key, 0))}
    done_or_skipped = (done - bare) | skipped
    here = provenance.environment()["cpu"]
    timed = [
        (one.trial, one.updates, one.wall_seconds)
        for one in held.values()
        if one.updates and one.wall_seconds and one.environment.get("cpu") == here
    ]
    return Plan(
        study=study,
        trials=trials,
        missing=tuple(trial for trial in trials if trial.key not in done_or_skipped),
        skipped=tuple(trial for trial in trials if trial.key in skipped),
        outside=0,
        other_source=len(stale),
        without_network=len(bare),
        pace=pace_of(timed[:TIMED]),
    )


def _source(result: TrialResult) -> str | None:
    source: str | None = result.environment.get("source")
    return source


def _without_network(study: Study, done: dict[str, TrialResult], results: Path) -> set[str]:
    """Return the keys of finished trials whose network is not kept."""
    from longlag.training.checkpoints import is_kept

    folder = networks_of(study, results)
    trained = {key: one for key, one in done.items() if one.has_network}
    return {key for key, one in trained.items() if not is_kept(folder, key, one.fingerprint)}
