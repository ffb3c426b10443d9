"""A trial's fingerprint: the same for the same numbers, another where the last digit of one differs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sample_results import FACTS, measurement, result

from longlag.process import provenance
from longlag.run.engines import cohort
from longlag.store.results import load
from longlag.store.store import Store, store_path
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.trial import Status, Trial, fingerprint_of

TRIAL = Trial("copy:items=2,symbols=3,blanks=3", "rnn", "norm:0.1", 0.01, 0, hidden_size=5, batch_size=3, updates=4)
CURVE = [measurement(0), measurement(100)]


@pytest.fixture
def few_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 20)


def prints(*trials: Trial) -> dict[Trial, str | None]:
    found: dict[Trial, str | None] = {}
    train(trials, lambda ended: found.update({ended.trial: ended.fingerprint}))
    return found


@pytest.mark.usefixtures("few_sequences")
def test_the_same_trial_has_the_same_fingerprint_in_any_company() -> None:
    others = [replace(TRIAL, seed=1), replace(TRIAL, clip="none"), replace(TRIAL, lr=0.02)]
    together = prints(*others, TRIAL)
    assert together[TRIAL] == prints(TRIAL)[TRIAL]
    assert len(set(together.values())) == 4


@pytest.mark.usefixtures("few_sequences")
def test_what_moves_one_weight_by_its_last_digit_moves_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prints(TRIAL)[TRIAL]
    step = Cohort.step

    def nudged(cohort: Cohort) -> None:
        step(cohort)
        weight = cohort.parameters[0, 0]
        cohort.parameters[0, 0] = torch.nextafter(weight, torch.tensor(math.inf))

    monkeypatch.setattr(Cohort, "step", nudged)
    assert prints(TRIAL)[TRIAL] != before


@pytest.mark.parametrize(
    "changed",
    [
        {"loss": math.nextafter(1.5, 2)},
        {"error": math.nextafter(0.25, 1)},
        {"train_loss": None},
        {"grad_norm_max": math.nan},
        {"parameter_norm": 7.5},
        {"update": 101},
    ],
)
def test_every_number_of_the_curve_counts(changed: dict[str, float]) -> None:
    other = [CURVE[0], replace(CURVE[1], **changed)]
    assert fingerprint_of(Status.UNSOLVED, 100, other) != fingerprint_of(Status.UNSOLVED, 100, CURVE)


def test_how_a_trial_ended_counts() -> None:
    usual = fingerprint_of(Status.UNSOLVED, 100, CURVE)
    assert len({usual, fingerprint_of(Status.EXPLODED, 100, CURVE), fingerprint_of(Status.UNSOLVED, 90, CURVE)}) == 3


def test_a_fingerprint_is_stored_and_exported(tmp_path: Path) -> None:
    stored = result(fingerprint="0123456789abcdef")
    with Store.open_for_writing(store_path("mine", tmp_path)) as store:
        store.write_plan("", [(stored.trial, FACTS)])
        store.add(stored, FACTS)
    assert list(load("mine", tmp_path)["fingerprint"]) == ["0123456789abcdef"]


def test_a_worker_stores_what_decides_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(
        "longlag.training.cohort.train", lambda trials, report, environment, *_: seen.append(environment)
    )
    cohort.train_cohort([TRIAL], lambda ended: None, {"source": "aaaa"})
    assert seen == [{"source": "aaaa"} | provenance.numerics()]
    assert set(seen[0]) == {"source", "cpu_capability", "blas", "llvmlite", "processor"}
    assert all(seen[0].values())
