"""Clipping acts per trial, between the backward pass and the update; a run in which it does not stops."""

import math

import pytest
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from bench import registry, training
from bench.clips.base import row_norms
from bench.clips.none import NoClip
from bench.clips.norm import ClipNorm
from bench.clips.value import ClipValue
from bench.gradients import ClippingError, Ledger, blocks_of
from bench.network import Network
from bench.trial import Trial
from tasks.copy import Copy

LAYOUT = Network.for_task(registry.cell("gru"), Copy(items=1, symbols=3, blanks=2), hidden_size=5).layout
SPECS = ["none", "norm:0.5", "norm:100", "value:0.01", "value:100"]
DTYPES = [torch.float32, torch.float64]


def gradients_of(trials=4, dtype=torch.float64, scales=(0.01, 0.1, 1.0, 10.0)):
    """Random gradients (S, P) of very different sizes, zero in the padding."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(trials, LAYOUT.row_size, dtype=dtype)
    for row, scale in zip(rows, scales, strict=False):
        for view in LAYOUT.views(row).values():
            view.copy_(scale * torch.randn(view.shape, generator=generator, dtype=torch.float64))
    return rows


def clipped(clip, raw):
    taken = raw.clone()
    clip.apply(taken, row_norms(raw))
    return taken


def holds(clip, raw, taken):
    return clip.holds(raw, taken, row_norms(raw), row_norms(taken))


def parameters_with(gradient):
    """Make a list of parameters, as a module has, whose gradients are those of a row."""
    made = []
    for view in LAYOUT.views(gradient).values():
        made.append(torch.nn.Parameter(torch.zeros_like(view)))
        made[-1].grad = view.clone()
    return made


# Against torch.nn.utils, trial by trial


@pytest.mark.parametrize("threshold", [0.05, 0.5, 1e9])
def test_norm_clipping_equals_torchs_trial_by_trial(threshold):
    raw = gradients_of()
    ours = clipped(ClipNorm(threshold), raw)
    for before, after in zip(raw, ours, strict=True):
        theirs = parameters_with(before)
        clip_grad_norm_(theirs, threshold)
        for mine, other in zip(LAYOUT.views(after).values(), theirs, strict=True):
            torch.testing.assert_close(mine, other.grad, rtol=1e-4, atol=0)  # torch divides by the norm plus 1e-6


@pytest.mark.parametrize("threshold", [0.01, 0.5, 1e9])
def test_value_clipping_equals_torchs_trial_by_trial(threshold):
    raw = gradients_of()
    ours = clipped(ClipValue(threshold), raw)
    for before, after in zip(raw, ours, strict=True):
        theirs = parameters_with(before)
        clip_grad_value_(theirs, threshold)
        for mine, other in zip(LAYOUT.views(after).values(), theirs, strict=True):
            assert torch.equal(mine, other.grad)


def test_clipping_stacked_rows_by_their_joint_norm_is_another_thing():
    raw = gradients_of()
    joint = torch.nn.Parameter(torch.zeros_like(raw))
    joint.grad = raw.clone()
    clip_grad_norm_([joint], 1.0)
    ours = clipped(ClipNorm(1.0), raw)
    assert torch.equal(ours[0], raw[0]), "a trial below the threshold is left alone"
    assert row_norms(joint.grad)[0] < 0.01 * row_norms(raw)[0], "its neighbour's norm shrank it"
    assert holds(ClipNorm(1.0), raw, ours).all()
    assert not holds(ClipNorm(1.0), raw, joint.grad).any()


def test_no_clip_leaves_gradients_as_they_are():
    raw = gradients_of()
    assert torch.equal(clipped(NoClip(), raw), raw)


# Every setting


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_a_clip_keeps_its_own_promise(spec, dtype):
    raw = gradients_of(dtype=dtype)
    assert holds(registry.clip(spec), raw, clipped(registry.clip(spec), raw)).all()


@pytest.mark.parametrize("spec", ["none", "norm:0.001", "value:0.001"])
def test_a_broken_promise_is_seen_row_by_row(spec):
    clip, raw = registry.clip(spec), gradients_of()
    wrong = clipped(clip, raw)
    wrong[1] *= 1.001
    assert holds(clip, raw, wrong).tolist() == [True, False, True, True]


def test_not_clipping_breaks_the_promise_where_it_would_have_acted():
    raw = gradients_of()
    assert holds(ClipNorm(1.0), raw, raw).tolist() == (row_norms(raw) <= 1).tolist() == [True, False, False, False]
    assert holds(ClipValue(1.0), raw, raw).tolist() == [True, True, False, False]


@pytest.mark.parametrize("spec", SPECS)
def test_padding_stays_zero(spec):
    taken = clipped(registry.clip(spec), gradients_of())
    for row in taken:
        for view in LAYOUT.views(row).values():
            view.zero_()
    assert (taken == 0).all()


@pytest.mark.parametrize("spec", SPECS)
def test_a_row_is_clipped_to_the_same_bytes_in_any_company(spec):
    clip, raw = registry.clip(spec), gradients_of(dtype=torch.float32)
    together = clipped(clip, raw)
    assert all(torch.equal(clipped(clip, raw[s : s + 1])[0], together[s]) for s in range(4))
    assert torch.equal(clipped(clip, raw.flip(0)), together.flip(0))


def test_a_gradient_at_the_threshold_is_left_alone():
    raw = torch.zeros(1, 16)
    raw[0, :2] = torch.tensor([3.0, 4.0])
    assert torch.equal(clipped(ClipNorm(5.0), raw), raw)
    assert torch.equal(clipped(ClipNorm(2.5), raw), raw / 2)


def test_a_zero_gradient_stays_zero():
    raw = torch.zeros(1, 16)
    assert all(torch.equal(clipped(registry.clip(spec), raw), raw) for spec in SPECS)
    assert all(holds(registry.clip(spec), raw, raw).all() for spec in SPECS)


# Sizes at the edge of what numbers hold


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e30), (torch.float32, 1e-30), (torch.float64, 1e200)])
def test_norms_of_huge_and_tiny_gradients_are_finite_and_right(dtype, size):
    raw = torch.full((2, 100), size, dtype=dtype)
    torch.testing.assert_close(row_norms(raw), torch.full((2,), 10 * size, dtype=torch.float64), rtol=1e-6, atol=0)


def test_a_norm_is_non_finite_only_where_an_entry_is():
    raw = torch.ones(4, 16, dtype=torch.float64)
    raw[1, 3], raw[2, 3] = math.inf, math.nan
    for matrix in (raw, raw.float()):
        assert row_norms(matrix).isfinite().tolist() == [True, False, False, True]


@pytest.mark.parametrize("threshold", [1e-30, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30, 1e38])
def test_clips_keep_their_promise_for_float32_gradients_of_any_size(size, threshold):
    raw = gradients_of(scales=(1, 1, 1, 1)).clamp(-3, 3).div(3).mul(size).float()
    for clip in (ClipNorm(threshold), ClipValue(threshold)):
        assert holds(clip, raw, clipped(clip, raw)).all()


def test_an_infinite_component_passes_value_clipping_as_a_finite_one():
    raw = gradients_of()
    raw[0, 0], raw[1, 0] = math.inf, -math.inf
    taken = clipped(ClipValue(0.1), raw)
    assert taken.isfinite().all()
    assert taken[:2, 0].tolist() == [0.1, -0.1]


@pytest.mark.parametrize(("spec", "value"), [
    ("none", math.inf), ("none", math.nan), ("norm:1", math.inf), ("norm:1", math.nan), ("value:1", math.nan),
])  # fmt: skip
def test_other_non_finite_gradients_stay_non_finite_and_in_their_row(spec, value):
    raw = gradients_of()
    raw[2, 0] = value
    taken = clipped(registry.clip(spec), raw)
    assert row_norms(taken).isfinite().tolist() == [True, True, False, True]


# The ledger


def ledger_of(*specs):
    return Ledger(blocks_of([registry.clip(spec) for spec in specs]))


def test_the_ledger_counts_what_was_clipped_and_keeps_both_norms():
    ledger, raw = ledger_of("norm:1", "norm:1", "none"), gradients_of(3, scales=(0.01, 1, 1))
    for _ in range(3):
        norms = ledger.before(raw)
        taken = raw.clone()
        ClipNorm(1.0).apply(taken[:2], norms[:2])
        ledger.taken(taken)
    accounts = ledger.flush(torch.ones(3, 3, dtype=torch.bool))
    assert [account.clipped_fraction for account in accounts] == [0, 1, 0]
    assert [account.median for account in accounts] == row_norms(raw).tolist()
    assert accounts[0].largest_taken == row_norms(raw)[0]
    assert accounts[1].largest_taken == pytest.approx(1)
    assert accounts[2].largest_taken == row_norms(raw)[2]


def test_the_ledger_leaves_out_updates_after_a_trials_end():
    ledger = ledger_of("none", "none")
    for size in (1.0, 2.0, 5.0):
        raw = gradients_of(2, scales=(size, size))
        ledger.before(raw)
        ledger.taken(raw)
    norms = row_norms(gradients_of(2, scales=(1.0, 1.0)))
    active = torch.tensor([[True, True], [True, False], [True, False]])
    one, other = ledger.flush(active)
    assert one.largest == (pytest.approx(5 * norms[0].item()), 2)
    assert other.largest == (pytest.approx(norms[1].item()), 0)
    assert other.median == pytest.approx(norms[1].item())


def test_the_ledger_names_the_setting_whose_promise_is_broken():
    ledger, raw = ledger_of("none", "norm:0.5"), gradients_of(2, scales=(1, 1))
    ledger.before(raw)
    ledger.taken(raw)
    with pytest.raises(ClippingError, match=r"did not take the gradient that clip norm:0\.5 promises"):
        ledger.flush(torch.ones(1, 2, dtype=torch.bool))


def test_non_finite_norms_stay_out_of_medians_and_maxima():
    ledger = ledger_of("none")
    for value in (1.0, math.inf, 3.0, math.nan):
        raw = torch.full((1, 1), value)
        ledger.before(raw)
        ledger.taken(raw)
    (account,) = ledger.flush(torch.ones(4, 1, dtype=torch.bool))
    assert (account.median, account.largest, account.largest_taken) == (2.0, (3.0, 2), 3.0)


# The invariant that every run checks: each wrong place for the call stops the run


def cohort_of(*clips):
    common = {"task": "copy:items=1,symbols=3,blanks=2", "cell": "rnn", "hidden_size": 5, "batch_size": 3}
    return [Trial(clip=clip, lr=0.01, seed=seed, updates=4, eval_every=2, **common) for seed, clip in enumerate(clips)]


CLIP, BACKWARD, STEP = (getattr(training.Cohort, name) for name in ("_clip", "_backward", "_step"))


def clip_before_backward(monkeypatch):
    def backward(self):
        self.raw_norms = row_norms(self.gradients)
        CLIP(self)
        BACKWARD(self)

    monkeypatch.setattr(training.Cohort, "_backward", backward)
    monkeypatch.setattr(training.Cohort, "_clip", lambda self: None)


def clip_after_the_update(monkeypatch):
    def step(self):
        STEP(self)
        CLIP(self)

    monkeypatch.setattr(training.Cohort, "_step", step)
    monkeypatch.setattr(training.Cohort, "_clip", lambda self: None)


def clip_never(monkeypatch):
    monkeypatch.setattr(training.Cohort, "_clip", lambda self: None)


def clip_on_the_joint_norm(monkeypatch):
    def clip(self):
        joint = self.raw_norms.square().sum().sqrt().expand_as(self.raw_norms)
        for block in self.ledger.blocks:
            block.clip.apply(self.gradients[block.rows], joint[block.rows])

    monkeypatch.setattr(training.Cohort, "_clip", clip)


def clip_twice(monkeypatch):
    def clip(self):
        CLIP(self)
        CLIP(self)

    monkeypatch.setattr(training.Cohort, "_clip", clip)


def clip_the_first_row_only(monkeypatch):
    def clip(self):
        block = self.ledger.blocks[0]
        block.clip.apply(self.gradients[:1], self.raw_norms[:1])

    monkeypatch.setattr(training.Cohort, "_clip", clip)


NORM, VALUE = "norm:0.01", "value:0.001"
BREAKS = [
    (clip_before_backward, NORM),
    (clip_after_the_update, NORM),
    (clip_never, NORM),
    (clip_on_the_joint_norm, NORM),
    (clip_twice, NORM),
    (clip_the_first_row_only, NORM),
    (clip_before_backward, VALUE),
    (clip_after_the_update, VALUE),
    (clip_never, VALUE),
    (clip_the_first_row_only, VALUE),
]


@pytest.mark.parametrize(("move", "clip"), BREAKS)
def test_a_clip_called_in_the_wrong_place_stops_the_run(monkeypatch, move, clip):
    move(monkeypatch)
    finished = []
    with pytest.raises(ClippingError, match=clip):
        training.train(cohort_of(clip, clip), finished.append)
    assert finished == []


@pytest.mark.parametrize("clip", [NORM, VALUE, "none", "norm:1e9"])
def test_a_clip_called_in_the_right_place_lets_the_run_end(clip):
    finished = []
    training.train(cohort_of(clip, clip), finished.append)
    assert [result.updates for result in finished] == [4, 4]


def test_the_norm_taken_is_the_smaller_of_norm_and_threshold():
    finished = []
    training.train(cohort_of(NORM, "none"), finished.append)
    none, norm = sorted(finished, key=lambda result: result.trial.clip)
    assert norm.grad_norm_after_max == pytest.approx(0.01, rel=1e-6)
    assert norm.clipped_fraction == 1
    assert none.grad_norm_after_max == none.grad_norm_max > 0.01
    assert none.clipped_fraction == 0
