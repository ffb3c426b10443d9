"""Trials whose backward pass is changed: company, inert settings, the ledger, planted mistakes that must be seen."""

from dataclasses import replace

import pytest
import torch

from longlag import registry
from longlag.networks import recurrent
from longlag.networks.build import backward_of
from longlag.plan.study import adhoc
from longlag.scans.engine.layer import Layer
from longlag.tasks.support.errors import UsageError
from longlag.training import backward_audit
from longlag.training.clip_audit import ClippingError
from longlag.training.cohort import Cohort, train
from longlag.training.gradients import write_gradients
from longlag.values.backward import PLAIN
from longlag.values.trial import Trial

BASE = Trial(
    "adding:length=12", "rnn", "none", 0.01, 0, hidden_size=6, batch_size=4, updates=6, eval_every=3
)  # fmt: skip
INSIDE = ["state:0.0001", "norm:1+omega:2", "omega:1", "norm:0.01+omega:1+state:0.0001", "skip:1e9+omega:1"]
CELLS = ["rnn", "gru", "lstm", "mgu"]


def results_of(*trials):
    found = []
    train(trials, found.append)
    return {result.trial.clip: replace(result, wall_seconds=None) for result in found}


def cohort_of(*clips, **changes):
    return [replace(BASE, clip=registry.clip(clip).spec, **changes) for clip in clips]


def same_numbers(one, other):
    left_out = {"trial": BASE, "environment": {}}
    return replace(one, **left_out) == replace(other, **left_out)


@pytest.mark.parametrize("truncate", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_company_of_other_clips_changes_no_byte(cell, truncate):
    trials = cohort_of("none", "norm:0.01", *INSIDE, cell=cell, truncate=truncate)
    together = results_of(*trials)
    for trial in trials:
        assert results_of(trial)[trial.clip] == together[trial.clip]


@pytest.mark.parametrize("cell", CELLS)
def test_settings_that_need_not_act_train_as_if_they_were_not_there(cell):
    plain = results_of(*cohort_of("none", cell=cell))["none"]
    huge = results_of(*cohort_of("state:1e30", cell=cell))["state:1e+30"]
    whole = results_of(*cohort_of("none", cell=cell, truncate=50))["none"]
    for found in (huge, whole):
        assert found.error == plain.error
        assert [point.error for point in found.measurements] == [point.error for point in plain.measurements]
        assert found.clipped_fraction == 0
        assert found.clip_cosine == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("clip", "truncate"), [(clip, 0) for clip in INSIDE] + [("none", 4)])
def test_the_norm_before_is_the_plain_gradients_at_the_last_update_before_an_evaluation(cell, clip, truncate):
    (trial,) = cohort_of(clip, cell=cell, truncate=truncate)
    cohort, norms = Cohort([trial], {}), {}
    for update in range(1, 7):
        row, batch = cohort.parameters[0].clone(), cohort.task.draw(cohort.draws.streams[0].generator(update), 4)
        plain = torch.zeros_like(row)
        cohort.network.gradient(cohort.task, row, plain, batch)
        norms[update] = plain.double().norm().item()
        cohort.step()
    (account,) = cohort.ledger.flush(torch.ones(6, 1, dtype=torch.bool))
    known = {place + 1: value for place, value in enumerate(account.norms.tolist()) if value == value}
    assert known == pytest.approx({3: norms[3], 6: norms[6]}, rel=1e-6)
    assert account.taken.isfinite().all()
    assert account.clipped_fraction == 1
    assert account.mean_cosine < 1 - 1e-9


def test_what_is_taken_is_clipped_after_omega_is_added():
    found = results_of(*cohort_of("norm:0.01+omega:5"))["norm:0.01+omega:5"]
    assert found.grad_norm_after_max == pytest.approx(0.01, rel=1e-5)


# Planted mistakes


def backwards_left_out(monkeypatch):
    """The backward pass never hears of it."""
    plain = write_gradients
    monkeypatch.setattr("longlag.training.update.write_gradients", lambda *given: plain(*given[:6]))


def backwards_of_the_neighbour(monkeypatch):
    """Each trial gets the next one's."""
    plain = write_gradients

    def write(*given):
        return plain(*given[:6], [*given[6][1:], given[6][0]])

    monkeypatch.setattr("longlag.training.update.write_gradients", write)


def one_for_all(monkeypatch):
    """Every trial gets the first one's."""
    plain = write_gradients
    monkeypatch.setattr(
        "longlag.training.update.write_gradients", lambda *given: plain(*given[:6], [given[6][0]] * len(given[6]))
    )


def kernel_that_ignores_it(monkeypatch):
    """The fused scan forgets it, and so does the second look at it."""
    plain = Layer.backward

    def backward(self, kept, grads, last=(), wants=False, backward=PLAIN, signal=None):
        return plain(self, kept, grads, last, wants, PLAIN, signal)

    monkeypatch.setattr(Layer, "backward", backward)


def limit_ten_times_too_small(monkeypatch):
    plain = Layer.backward

    def backward(self, kept, grads, last=(), wants=False, backward=PLAIN, signal=None):
        wrong = replace(backward, signal_limit=backward.signal_limit / 10)
        return plain(self, kept, grads, last, wants, wrong, signal)

    monkeypatch.setattr(Layer, "backward", backward)


def chunks_one_step_longer(monkeypatch):
    plain = Layer.backward

    def backward(self, kept, grads, last=(), wants=False, backward=PLAIN, signal=None):
        wrong = replace(backward, truncate=backward.truncate + 1 if backward.truncate else 0)
        return plain(self, kept, grads, last, wants, wrong, signal)

    monkeypatch.setattr(Layer, "backward", backward)


def values_clipped_instead(monkeypatch):
    """The gradient is clipped after the pass, entry by entry, as ``value`` does."""
    kernel_that_ignores_it(monkeypatch)
    plain = write_gradients

    def write(*given):
        losses = plain(*given)
        for gradient, backward in zip(given[3], given[6], strict=True):
            gradient.clamp_(-backward.signal_limit, backward.signal_limit)
        return losses

    monkeypatch.setattr("longlag.training.update.write_gradients", write)


def omega_with_another_factor(monkeypatch):
    plain = recurrent.add_omega

    def add(network, row, gradient, backward):
        plain(network, row, gradient, replace(backward, omega=2 * backward.omega))

    monkeypatch.setattr(recurrent, "add_omega", add)


def omega_never_added(monkeypatch):
    monkeypatch.setattr(recurrent, "add_omega", lambda *_: None)


STATE, OMEGA = ("state:0.0001", 0), ("norm:1+omega:2", 0)
CHUNKS = ("none", 4)
MISTAKES = [
    *[(mistake, setting) for mistake in (backwards_left_out, kernel_that_ignores_it) for setting in (STATE, CHUNKS)],
    (backwards_left_out, OMEGA),
    (limit_ten_times_too_small, STATE),
    (chunks_one_step_longer, CHUNKS),
    (values_clipped_instead, STATE),
    (omega_with_another_factor, OMEGA),
    (omega_never_added, OMEGA),
]


@pytest.mark.parametrize(("mistake", "setting"), MISTAKES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_mistake_inside_the_backward_pass_stops_the_run(monkeypatch, cell, mistake, setting):
    clip, truncate = setting
    mistake(monkeypatch)
    finished = []
    with pytest.raises(ClippingError, match=r"signal|gradient"):
        train(cohort_of(clip, cell=cell, truncate=truncate), finished.append)
    assert finished == []


@pytest.mark.parametrize("mistake", [backwards_of_the_neighbour, one_for_all])
def test_one_trials_limit_on_another_is_seen(monkeypatch, mistake):
    mistake(monkeypatch)
    with pytest.raises(ClippingError, match=r"clip state:0\.000"):
        train(cohort_of("state:0.0001", "state:0.0002"), [].append)


def test_a_step_of_the_readable_path_that_ignores_it_is_seen(monkeypatch):
    monkeypatch.setattr("longlag.scans.run._passed", lambda part, *_: part)
    with pytest.raises(ClippingError, match="signal"):
        train(cohort_of("state:0.0001", cell="mgu"), [].append)


def test_nothing_is_looked_at_where_nothing_happens(monkeypatch):
    monkeypatch.setattr("longlag.training.update.look", None)
    assert results_of(*cohort_of("none", "norm:1"))["norm:1"].updates == 6


@pytest.mark.parametrize("wiring", [{"layers": 2, "direction": "bidirectional"}, {"layers": 2, "dropout": 0.5},
                                    {"layers": 3, "skip": "residual"}])  # fmt: skip
def test_other_wirings_keep_the_promise(wiring):
    trials = cohort_of("none", "state:0.0001", "norm:1+omega:2", truncate=4, **wiring)
    assert all(result.updates == 6 for result in results_of(*trials).values())


@pytest.mark.parametrize("lr", [1e10, 1e39])
def test_a_trial_that_diverges_does_so_by_name(lr):
    for result in results_of(*cohort_of("state:0.0001", "omega:1", "none", lr=lr, truncate=3)).values():
        assert result.status in ("diverged", "exploded", "unsolved")


# Plans


def plan(**options):
    given = {"task": "copy:items=1,blanks=3", "cell": "rnn"} | options
    return adhoc(**given).trials()


def test_chunks_no_shorter_than_the_task_are_the_plain_trial():
    length = registry.task("copy:items=1,blanks=3").length
    trials = plan(truncate=("none", str(length - 1), str(length), "1000"), seeds=1)
    assert [trial.truncate for trial in trials] == [0, length - 1]
    assert trials[0].key == plan(seeds=1)[0].key


def test_a_trial_says_how_to_go_back():
    (trial,) = plan(clip="omega:2 + norm:1+state:0.5", truncate=2, seeds=1)
    assert trial.clip == "norm:1+omega:2+state:0.5"
    backward = backward_of(trial)
    assert (backward.signal_limit, backward.truncate, backward.omega) == (0.5, 2, 2.0)


@pytest.mark.parametrize(("options", "message"), [
    ({"truncate": 0}, "--truncate must be none or a whole number from 1 to 10000000, not 0"),
    ({"truncate": "0"}, "--truncate must be none or a whole number"),
    ({"truncate": -1}, "--truncate must be none or a whole number"),
    ({"truncate": 2.5}, "--truncate must be none or a whole number"),
    ({"truncate": True}, "--truncate must be none or a whole number"),
    ({"truncate": (3, 3)}, "--truncate has 3 twice"),
    ({"clip": "state:0"}, "clip 'state:0': max_signal must be a number above 0"),
    ({"clip": "omega:-1"}, "clip 'omega:-1': factor must be a number above 0"),
    ({"clip": "norm:1+omgea:2"}, r"no clip is called 'omgea'; did you mean omega\?"),
    ({"clip": "norm:1+value:1"}, "only one setting may clip the gradient; guard, omega and state may be added"),
    ({"clip": "state:1+state:2"}, "names a setting twice"),
    ({"clip": "omega:1", "cell": "mingru"}, "omega acts on recurrent weights; cell mingru has none"),
    ({"clip": ("none+omega:1", "omega:1")}, "clip 'omega:1' is given twice, before as 'none"),
])  # fmt: skip
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message.replace("+", r"\+")):
        plan(**options)


def test_looking_says_nothing_where_all_is_well_and_what_where_it_is_not():
    (trial,) = cohort_of("state:0.0001")
    cohort, backward = Cohort([trial], {}), backward_of(trial)
    batch = cohort.task.draw(cohort.draws.streams[0].generator(1), 4)
    row, right = cohort.parameters[0], torch.zeros_like(cohort.parameters[0])
    cohort.network.gradient(cohort.task, row, right, batch, backward=backward)
    given = cohort.network, cohort.task, row
    assert backward_audit.look(*given, right, batch, lambda: None, backward)[1] is None
    plain, fault = backward_audit.look(*given, 1.001 * right, batch, lambda: None, backward)
    assert fault == "the gradient is not the one that its backward pass gives"
    assert not torch.equal(plain, right)
