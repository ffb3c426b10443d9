"""A whole trial against a loop written a second time: every update, every evaluation, and the end.

The parts have tests of their own; here it is seen that each is used, once, in its place, with what the trial says.
"""

from dataclasses import replace
from itertools import cycle, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_loop import CONFIRMED, EVALUATED, train_alone
from independent_network import GATES, split
from independent_rules import WRITTEN, counterpart

from longlag import registry
from longlag.networks.build import network_of
from longlag.passes.noted import AFTER, BEFORE
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.trial import Status, Trial

COPY, ADDING = "copy:items=1,symbols=2,blanks=1", "adding:length=6"
OPTIMISERS = {
    "adam": ("adam", "adam:beta1=0.5,beta2=0.9,eps=1e-3"),
    "adamw": ("adamw",),
    "lion": ("lion",),
    "muon": ("muon", "muon:scale=original,nesterov=false,steps=3"),
    "rmsprop": ("rmsprop",),
    "sgd": ("sgd", "sgd:momentum=0.9", "sgd:momentum=0.9,nesterov=true"),
}
SCHEDULES = {
    "constant": ("constant",),
    "cosine": ("cosine", "cosine:final=0.1,warmup=10"),
    "inverse_sqrt": ("inverse_sqrt:warmup=10",),
    "linear": ("linear:warmup=7",),
    "step": ("step:every=15,gamma=0.5",),
    "warmup": ("warmup:updates=20",),
}
CLIPS = {
    "none": ("none",),
    "norm": ("norm:0.2", "norm:0.2,type=1", "norm:0.2,type=inf", "norm:0.2+guard"),
    "value": ("value:0.03",),
    "layer": ("layer:0.1",),
    "agc": ("agc:0.05",),
    "quantile": ("quantile:0.3",),
    "skip": ("skip:0.4",),
    "zclip": ("zclip:0.5,warmup=5",),
    "adagc": ("adagc:0.9,warmup=5,lambda_abs=0.3",),
    "guard": ("guard",),
    "state": ("state:0.03", "norm:0.2+state:0.03"),
    "omega": ("norm:0.2+omega:4", "skip:0.5+state:0.03+omega:1"),
}
SPELLED = {"optimizer": OPTIMISERS, "schedule": SCHEDULES, "clip": CLIPS}
CLOSE = {"rtol": 1e-6, "atol": 1e-9}
"""Float64 on either side: what rounds by 1e-16 has grown to about 1e-9 after 60 updates where it grows at all."""
BASE = Trial(
    COPY, "rnn", "none", 0.02, 10, hidden_size=3, batch_size=4, updates=60, eval_every=12, dtype="float64"
)  # fmt: skip


def all_of(kind):
    return [spec for name in registry.shipped(kind) for spec in SPELLED[kind].get(name, (name,))]


@pytest.fixture(autouse=True, scope="module")
def few_sequences():
    """Evaluate on few sequences; of two chunks, where a network is put to the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "EVALUATION_SEQUENCES", EVALUATED)
        patch.setattr(evaluation, "CONFIRMATION_SEQUENCES", CONFIRMED)
        yield


def trained(*trials):
    """Train a cohort; return results, and after each update rows, losses and norms, by trial."""
    seen, finished, plain = {trial: [] for trial in trials}, {}, Cohort.step

    def step(cohort):
        plain(cohort)
        losses, ledger = cohort.losses[-1], cohort.ledger
        for place, record in enumerate(cohort.records):
            noted = losses, ledger.noted[-1][:, BEFORE], ledger.noted[-1][:, AFTER]
            if cohort.was_active[-1][place]:
                seen[record.trial].append((cohort.parameters[place].clone(), *(float(one[place]) for one in noted)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cohort, "step", step)
        train(trials, lambda result: finished.update({result.trial: result}), audit_every=True)
    return finished, seen


def layout_of(trial):
    return network_of(trial).layout


def alone(trial):
    weights = split(trial.cell, layout_of(trial).arrays(network_of(trial).initial_row(trial.seed)))
    return train_alone(trial, registry.task(trial.task), weights)


def check(*trials):
    """Hold each trial of a cohort against the loop; return the results."""
    finished, seen = trained(*trials)
    for trial in trials:
        history = alone(trial)
        _check_updates(trial, history, seen[trial])
        _check_end(history, finished[trial])
    return [finished[trial] for trial in trials]


def _check_updates(trial, history, seen):
    assert len(seen) == len(history.updates)
    rows, losses, before, after = zip(*seen, strict=True)
    for name, ours in (("loss", losses), ("before", before), ("after", after)):
        theirs = [getattr(update, name) for update in history.updates]
        assert list(ours) == pytest.approx(theirs, rel=1e-6, abs=1e-12, nan_ok=True), f"{name} of {trial}"
    slots = {slot.name: (slice(slot.offset, slot.offset + slot.size), slot.shape) for slot in layout_of(trial).slots}
    arrays = {name: torch.stack(rows)[:, place].reshape(-1, *shape) for name, (place, shape) in slots.items()}
    for name, ours in split(trial.cell, arrays).items():
        theirs = torch.stack([update.weights[name] for update in history.updates])
        torch.testing.assert_close(ours, theirs, **CLOSE, equal_nan=True)


def near(value):
    return value if value is None else pytest.approx(value, rel=1e-6, abs=1e-12)


def _check_end(history, result):
    assert result.status == history.status
    assert result.updates == history.ended_at
    assert (result.updates_to_solve, result.diverged_in) == (history.updates_to_solve, history.diverged_in)
    assert result.diverged_at == (history.ended_at if history.diverged_in else None)
    assert result.exploded_at == (history.ended_at if history.status == "exploded" else None)
    assert result.confirmed_error == near(history.confirmed_error)
    for name, value in history.summary().items():
        assert getattr(result, name) == near(value), name
    assert [point.update for point in result.measurements] == [one.update for one in history.curve]
    for point, one in zip(result.measurements, history.curve, strict=True):
        for name in ("loss", "error", "train_loss", "parameter_norm"):
            assert getattr(point, name) == near(getattr(one, name)), name
        assert {label: dict(found) for label, found in point.slices.items() if found} == one.slices


@pytest.mark.parametrize("kind", SPELLED)
def test_whatever_is_shipped_is_written_a_second_time(kind):
    missing = set(registry.shipped(kind)) - WRITTEN[kind].keys()
    assert not missing, f"no counterpart written for {kind} {', '.join(sorted(missing))}"
    assert SPELLED[kind].keys() == set(registry.shipped(kind)), "and is spelled in one of these tests"


def test_what_has_no_counterpart_is_named():
    with pytest.raises(pytest.fail.Exception, match="no counterpart written for clip 'mine'"):
        counterpart("clip", "mine:1")


def crossing():
    """Every spelling at least once, beside different others each time."""
    optimisers, schedules, cells = cycle(all_of("optimizer")), cycle(all_of("schedule")), cycle(GATES)
    tasks, decays = cycle([COPY, ADDING, COPY, COPY, ADDING]), cycle([0.0, 0.3])
    for seed, clip in enumerate(all_of("clip"), start=8):
        yield replace(
            BASE, task=next(tasks), cell=next(cells), clip=clip, optimizer=next(optimisers), schedule=next(schedules),
            weight_decay=next(decays), seed=seed,
        )  # fmt: skip


def crossed():
    """Every clip with every optimiser and both cells, beside another schedule and decay each time."""
    schedules, tasks, decays = cycle(all_of("schedule")), cycle([COPY, ADDING, COPY]), cycle([0.0, 0.3])
    for seed, (clip, optimizer, cell) in enumerate(product(all_of("clip"), all_of("optimizer"), GATES), start=100):
        yield replace(
            BASE, task=next(tasks), cell=cell, clip=clip, optimizer=optimizer, schedule=next(schedules),
            weight_decay=next(decays), seed=seed,
        )  # fmt: skip


@pytest.mark.parametrize(
    "trial", list(crossing()), ids=lambda trial: f"{trial.clip}-{trial.optimizer}-{trial.schedule}"
)
def test_a_trial_goes_the_way_of_the_loop(trial):
    check(trial)


@pytest.mark.slow
@pytest.mark.parametrize("clip", all_of("clip"))
def test_every_clip_goes_the_way_of_the_loop_with_every_optimiser_and_cell(clip):
    for trial in crossed():
        if trial.clip == clip:
            check(trial)


@settings(max_examples=6)
@given(
    st.builds(
        replace,
        st.just(BASE),
        task=st.sampled_from([COPY, ADDING]),
        cell=st.sampled_from([*GATES, "rnn:nonlinearity=relu"]),
        clip=st.sampled_from(all_of("clip")),
        optimizer=st.sampled_from(all_of("optimizer")),
        schedule=st.sampled_from(all_of("schedule")),
        lr=st.sampled_from([0.001, 0.01, 0.05]),
        weight_decay=st.sampled_from([0.0, 0.01, 0.5]),
        seed=st.integers(0, 10**6),
        hidden_size=st.sampled_from([1, 2, 5]),
        batch_size=st.integers(1, 6),
        initial_state=st.sampled_from(["zeros", "learned"]),
        weight_noise=st.sampled_from([0.0, 0.05]),
        eval_every=st.sampled_from([20, 25]),
    )
)
def test_any_trial_goes_the_way_of_the_loop(trial):
    check(trial)


def ends(**given):
    trial = replace(BASE, **given)
    (result,) = check(trial)
    return result


SOLVING = {"cell": "gru", "optimizer": "adam", "lr": 0.1, "eval_every": 6, "hidden_size": 4}
EXPLOSIVE = {
    "task": ADDING, "cell": "rnn:nonlinearity=relu,init=gaussian,std=10", "optimizer": "sgd", "hidden_size": 8
}  # fmt: skip


def test_a_trial_that_solves():
    stops, goes_on = ends(**SOLVING), ends(**SOLVING, stop="never")
    assert stops.status == goes_on.status == Status.SOLVED
    assert stops.updates < goes_on.updates == BASE.updates
    assert stops.updates_to_solve == goes_on.updates_to_solve


def test_a_trial_that_jumps_at_a_later_update():
    result = ends(optimizer="sgd:momentum=0.9", lr=3000.0, schedule="warmup:updates=50")
    assert (result.status, result.updates > 1) == (Status.EXPLODED, True)


def test_a_trial_whose_loss_rises_and_stays_there():
    result = ends(task=ADDING, optimizer="sgd", lr=20.0, clip="norm:1", eval_every=2)
    assert (result.status, result.updates) == (Status.EXPLODED, 6)


@pytest.mark.parametrize(("lr", "where"), [(1e300, "parameters"), (1e150, "loss")])
def test_a_trial_that_overflows(lr, where):
    result = ends(**EXPLOSIVE, lr=lr)
    assert (result.status, result.diverged_in) == (Status.DIVERGED, where)


@pytest.mark.parametrize("clip", ["guard", "norm:1+guard"])
def test_a_guard_that_acts_and_one_beside_a_clip(clip):
    assert ends(**EXPLOSIVE, lr=0.5, clip=clip, updates=24).grad_norm_max > 1e10


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_trial_cut_in_chunks_with_a_learned_start_and_noisy_weights(cell):
    ends(task=ADDING, cell=cell, truncate=4, initial_state="learned", weight_noise=0.1, clip="norm:0.2+state:0.1")


def test_two_trials_that_solve_jump_and_go_on_beside_each_other():
    """A cohort in which rows leave: those that stay keep their running quantities, their memory and their counts."""
    base = replace(BASE, **SOLVING, task=COPY, schedule="cosine:warmup=5", weight_decay=0.001, updates=48)
    check(*(replace(base, clip=clip, lr=lr, seed=seed) for clip, lr, seed in [
        ("skip:0.3", 0.1, 11), ("zclip:0.5,warmup=5", 0.1, 12), ("none", 500.0, 1), ("quantile:0.3", 0.002, 13),
        ("skip:0.5", 0.01, 1),
    ]))  # fmt: skip
