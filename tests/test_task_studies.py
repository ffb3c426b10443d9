"""The shipped studies of tasks: every cell and clip gets the same chances, and each fits into the time it states."""

import re
from collections import Counter
from itertools import pairwise

import pytest

from longlag import registry
from longlag.plan import files
from longlag.run.plan import make_plan

NAMES = ("pathological", "language", "transfer", "recall", "horizon")


@pytest.mark.parametrize("name", NAMES)
def test_cells_and_clips_are_trained_alike_on_a_task(name: str) -> None:
    chances: dict[str, Counter[tuple[str, str]]] = {}
    budgets: dict[str, set[tuple[int, ...]]] = {}
    for trial in files.find(name).trials():
        chances.setdefault(trial.task, Counter())[trial.cell, trial.clip] += 1
        budgets.setdefault(trial.task, set()).add(
            (trial.updates, trial.eval_every, trial.batch_size, trial.hidden_size, trial.layers)
        )
    assert all(len(set(counts.values())) == 1 for counts in chances.values())
    assert all(len(found) == 1 for found in budgets.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_has_seeds_enough_to_speak_of_shares_and_not_those_that_chose_its_rates(name: str) -> None:
    seeds = {grid.seeds for grid in files.find(name).grids}
    assert all(4 <= len(of) <= 8 and max(of) < 100 for of in seeds)


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_about_as_long_as_its_file_states(name: str, tmp_path) -> None:
    text = (files.STUDIES / f"{name}.toml").read_text(encoding="utf-8")
    stated = re.search(r"about (\d+) minutes on two cores", text)
    assert stated is not None
    minutes = make_plan(files.find(name), tmp_path).seconds(workers=2) / 60
    assert minutes / 2 < int(stated[1]) < 2 * minutes
    assert int(stated[1]) <= 30


def test_transfer_tests_up_to_ten_times_as_far_as_it_trains() -> None:
    for trial in files.find("transfer").trials():
        lags, trained = [int(lag) for lag in trial.test_lags.split(",")], registry.task(trial.task).lag
        assert min(lags) <= trained
        assert max(lags) == 10 * trained


def test_the_ladder_of_horizon_climbs_by_root_two() -> None:
    ladders: dict[str, list[int]] = {}
    for task in dict.fromkeys(trial.task for trial in files.find("horizon").trials()):
        ladders.setdefault(registry.task(task).name(), []).append(registry.task(task).min_lag)
    for lags in ladders.values():
        assert len(lags) >= 8
        assert all(1.3 < longer / shorter < 1.5 for shorter, longer in pairwise(lags))
