"""Trains the outcomes from which `longlag check --self-test` draws: a healthy pool, and outcomes of planted changes.

    python -m longlag.regression.selftest.simulate results/reference/ci-outcomes.csv.gz

For the study `ci` these are some 15,000 trials, 70 minutes of one core. Finished ones are kept beside the file, so that
the same command continues. Seeds are above those of a baseline.
"""

import argparse
import csv
import gzip
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from longlag.plan.files import find
from longlag.regression.selftest.plants import PLANTS
from longlag.regression.selftest.pool import HEALTHY
from longlag.run.engines.local import LocalEngine
from longlag.values.trial import Status, Trial, TrialResult

FIRST_SEED = 1000
POOL, PLANTED = 300, 60
"""Seeds of each healthy entry, and of each planted one."""
COLUMNS = ("plant", "entry", "seed", "status", "updates_to_solve", "error", "wall_seconds")
_TEN = (8, 2)
"""The sizes of the cohorts into which a run cuts ten seeds: the joint norm of a cohort depends on them."""

Job = tuple[str, tuple[Trial, ...]]
Name = tuple[str, str, int]


def entry_key(trial: Trial) -> str:
    """Return the name of an entry, which its seeds share: the key of its trial with seed 0."""
    return replace(trial, seed=0).key


def jobs(study: str, pool: int, planted: int) -> list[Job]:
    """Return the cohorts to train, planted ones first and by seed, each with the name of its plant."""
    entries = list({entry_key(trial): trial for trial in find(study).trials()}.values())
    wanted = [(name, entry, planted) for name, plant in PLANTS.items() for entry in entries if plant.entries(entry)]
    wanted += [(HEALTHY, entry, pool) for entry in entries]
    cut = [(name, cohort) for name, entry, count in wanted for cohort in _cohorts(entry, count)]
    return sorted(cut, key=lambda job: (job[0] == HEALTHY, job[1][0].seed))


def _cohorts(entry: Trial, count: int) -> Iterator[tuple[Trial, ...]]:
    seeds, place = range(FIRST_SEED, FIRST_SEED + count), 0
    while place < count:
        size = _TEN[place % sum(_TEN) >= _TEN[0]]
        yield tuple(replace(entry, seed=seed) for seed in seeds[place : place + size])
        place += size


def train_planted(
    plant: str, trials: Sequence[Trial], report: Callable[[TrialResult], None], environment: dict[str, Any]
) -> None:
    """Train a cohort under a planted change; results are reported under the original trials.

    Args:
        plant: The change's name.
        trials: A cohort.
        report: Called with each result.
        environment: Versions and machine, stored with each result.
    """
    from longlag.training import cohort as cohorts

    if plant == HEALTHY:
        cohorts.train(trials, report, environment)
        return
    change = PLANTS[plant].change
    original = {change(trial): trial for trial in trials}
    with PLANTS[plant].patch():
        cohorts.train(list(original), lambda result: report(replace(result, trial=original[result.trial])), environment)


def simulate(file: Path, todo: Sequence[Job], workers: int) -> None:
    """Train the missing cohorts, and write the file anew when all are done."""
    partly = file.with_name(file.name + ".part")
    done = {_named(row) for row in _read(partly)}
    missing = [(plant, cohort) for plant, cohort in todo if any(_id(plant, trial) not in done for trial in cohort)]
    with partly.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
        for plant in dict.fromkeys(plant for plant, _ in missing):
            cohorts = [cohort for name, cohort in missing if name == plant]
            print(f"{plant or 'healthy'}: {sum(map(len, cohorts))} trials", file=sys.stderr, flush=True)
            for result in LocalEngine(workers, 600.0, partial(train_planted, plant)).run(cohorts):
                if result is not None:
                    writer.writerow(_row(plant, result))
                    opened.flush()
    asked = {_id(plant, trial) for plant, cohort in todo for trial in cohort}
    _write(file, {name: row for row in _read(partly) if (name := _named(row)) in asked})


def _id(plant: str, trial: Trial) -> Name:
    return plant, entry_key(trial), trial.seed


def _row(plant: str, result: TrialResult) -> dict[str, Any]:
    assert result.status is not Status.FAILED, result.reason
    named = zip(("plant", "entry", "seed"), _id(plant, result.trial), strict=True)
    shown = {name: getattr(result, name) for name in COLUMNS[4:]}
    return dict(named) | {"status": result.status.value} | shown


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as opened:
        return list(csv.DictReader(opened, COLUMNS))


def _named(row: dict[str, str]) -> Name:
    return row["plant"], row["entry"], int(row["seed"])


def _write(file: Path, rows: Mapping[Name, dict[str, str]]) -> None:
    """Write the rows in order: the same bytes for the same outcomes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS[:-1], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
    file.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    seconds = sum(float(row["wall_seconds"]) for row in rows.values())
    print(f"{len(rows)} outcomes, {seconds / 60:.0f} minutes of one core", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and simulate."""
    parser = argparse.ArgumentParser(prog="python -m longlag.regression.selftest.simulate", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--study", default="ci")
    parser.add_argument("--pool", type=int, default=POOL)
    parser.add_argument("--planted", type=int, default=PLANTED)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    simulate(given.file, jobs(given.study, given.pool, given.planted), given.workers)


if __name__ == "__main__":
    main()
