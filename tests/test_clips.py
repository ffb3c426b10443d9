"""Clipping acts per trial, between the backward pass and the update; a run in which it does not stops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from bench import ambient, registry, training
from bench.clips.agc import EPS, ClipAdaptive
from bench.clips.base import Context, row_norms
from bench.clips.layer import ClipLayer
from bench.clips.none import NoClip
from bench.clips.norm import ClipNorm
from bench.clips.quantile import BINS, ClipQuantile
from bench.clips.skip import Skip
from bench.clips.value import ClipValue
from bench.layout import Layout
from bench.ledger import ClippingError, Ledger, blocks_of
from bench.network import Network
from bench.trial import Trial
from tasks.copy import Copy

NETWORK = Network.for_task(registry.cell("gru"), Copy(items=1, symbols=3, blanks=2), hidden_size=5)
LAYOUT = NETWORK.layout
SPECS = [
    *("none", "norm:0.5", "norm:100", "value:0.01", "value:100", "layer:0.2", "layer:100", "agc:0.01", "agc:1e6"),
    *("quantile:0.1", "quantile:1", "skip:0.5", "skip:100"),
]
DTYPES = [torch.float32, torch.float64]


def gradients_of(trials=4, dtype=torch.float64, scales=(0.01, 0.1, 1.0, 10.0)):
    """Random gradients (S, P) of very different sizes, zero in the padding."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(trials, LAYOUT.row_size, dtype=dtype)
    for row, scale in zip(rows, scales, strict=False):
        for view in LAYOUT.views(row).values():
            view.copy_(scale * torch.randn(view.shape, generator=generator, dtype=torch.float64))
    return rows


def context_of(raw, past=()):
    """Parameters of the same trials, and a memory of the norms that gradients had before these."""
    rows = [NETWORK.initial_row(0)] * len(raw)
    parameters = torch.from_numpy(np.stack(rows)).to(raw.dtype) if raw.shape[1] == LAYOUT.row_size else raw
    context = Context(LAYOUT, parameters, torch.zeros(len(raw), BINS, dtype=torch.float64))
    for norm in past:
        ClipQuantile(0.5).observe(torch.full((len(raw),), norm, dtype=torch.float64), context)
    ClipQuantile(0.5).observe(row_norms(raw), context)
    return context


def clipped(clip, raw, past=()):
    taken = raw.clone()
    clip.apply(taken, row_norms(raw), context_of(raw, past))
    return taken


def holds(clip, raw, taken, past=()):
    return clip.holds(raw, taken, row_norms(raw), row_norms(taken), context_of(raw, past))


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


# Norm clipping by tensor


@pytest.mark.parametrize("threshold", [0.05, 0.5, 1e9])
def test_layer_clipping_equals_torchs_on_every_gates_own_tensor(threshold):
    raw = gradients_of()
    ours = clipped(ClipLayer(threshold), raw)
    gates = {"0.input_weight": 3, "0.bias": 3, "0.recurrent_weight": 3}
    seen = 0
    for before, after in zip(raw, ours, strict=True):
        for name, view in LAYOUT.views(before).items():
            mine = LAYOUT.views(after)[name].chunk(gates.get(name, 1), dim=-1)
            for place, part in enumerate(view.chunk(gates.get(name, 1), dim=-1)):
                theirs = torch.nn.Parameter(torch.zeros_like(part))
                theirs.grad = part.clone()
                clip_grad_norm_([theirs], threshold)
                torch.testing.assert_close(mine[place], theirs.grad, rtol=1e-4, atol=0)
                seen += 1
    assert seen == 4 * (3 * 3 + 1 + 2)


def test_a_tensor_below_the_threshold_is_left_alone_whatever_its_neighbours_are():
    raw = torch.zeros(1, LAYOUT.row_size)
    weight = LAYOUT.views(raw[0])["0.recurrent_weight"]
    weight[0, 0], weight[0, 5], weight[1, 5] = 0.9, 3.0, 4.0  # the reset gate's and the update gate's columns
    taken = LAYOUT.views(clipped(ClipLayer(1.0), raw)[0])["0.recurrent_weight"]
    assert taken[0, 0] == weight[0, 0]
    torch.testing.assert_close(taken[:2, 5], torch.tensor([0.6, 0.8]))


# Adaptive clipping by unit


def agc_by_hand(gradient, weights, ratio):
    """The paper's formula with loops: for every gate and unit the weights into it, for every gate its bias."""
    after = {name: value.clone() for name, value in LAYOUT.views(gradient).items()}
    for name, g in after.items():
        if name.startswith("readout"):
            continue
        w = LAYOUT.views(weights)[name]
        pieces = [(g[:, j], w[:, j]) for j in range(g.shape[-1])] if g.ndim == 2 else [
            (g[start : start + 5], w[start : start + 5]) for start in range(0, len(g), 5)
        ]  # fmt: skip
        for one, weight in pieces:
            length, limit = one.norm().item(), ratio * max(weight.norm().item(), EPS)
            if length > limit:
                one *= limit / length
    return after


@pytest.mark.parametrize("ratio", [0.001, 0.1, 10])
def test_adaptive_clipping_follows_the_formula_unit_by_unit(ratio):
    raw = gradients_of()
    parameters = context_of(raw).parameters
    for before, after, weights in zip(raw, clipped(ClipAdaptive(ratio), raw), parameters, strict=True):
        expected = agc_by_hand(before, weights, ratio)
        for name, mine in LAYOUT.views(after).items():
            torch.testing.assert_close(mine, expected[name], rtol=1e-10, atol=0)


def test_adaptive_clipping_lets_weights_at_zero_move_and_leaves_the_readout_alone():
    raw = gradients_of(1, scales=(1,))
    context = replace(context_of(raw), parameters=torch.zeros_like(raw))
    taken = raw.clone()
    ClipAdaptive(0.1).apply(taken, row_norms(raw), context)
    before, after = LAYOUT.views(raw[0]), LAYOUT.views(taken[0])
    torch.testing.assert_close(after["0.recurrent_weight"].norm(dim=0), torch.full((15,), 1e-4).double())
    torch.testing.assert_close(after["0.candidate_bias"].norm(), torch.tensor(1e-4).double())
    assert all(torch.equal(before[name], after[name]) for name in ("readout.weight", "readout.bias"))


def test_units_are_counted_along_the_axis_that_the_layout_names():
    layout = Layout.of({"columns": (3, 4), "rows": (4, 3)}, unit_axes={"rows": 0})
    raw = torch.arange(1.0, 33).reshape(1, 32).double()
    weights = torch.ones(1, 32, dtype=torch.float64)
    views = layout.views(raw[0])
    views["rows"].copy_(views["columns"].T)
    context = Context(layout, weights, torch.zeros(1, 0))
    ClipAdaptive(0.5).apply(raw, row_norms(raw), context)
    assert torch.equal(views["rows"], views["columns"].T), "the same numbers, stored the other way round"
    torch.testing.assert_close(views["rows"].norm(dim=1), torch.full((4,), 0.5 * 3**0.5).double())


def test_clipping_the_readout_too_or_a_whole_matrix_at_once_breaks_the_adaptive_promise():
    raw = gradients_of(2, scales=(1, 1))
    clip = ClipAdaptive(0.01)
    for name in ("readout.weight", "0.recurrent_weight"):
        wrong = clipped(clip, raw)
        LAYOUT.views(wrong[1])[name].mul_(0.9)
        assert holds(clip, raw, wrong).tolist() == [True, False]


# Clipping at a quantile of the past


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_threshold_is_the_quantile_of_the_norms_so_far(share):
    generator = np.random.default_rng(0)
    history = np.exp(generator.normal(0, 2, (200, 2)))
    context = Context(LAYOUT, torch.zeros(2, LAYOUT.row_size), torch.zeros(2, BINS, dtype=torch.float64))
    clip = ClipQuantile(share)
    for count, norms in enumerate(torch.from_numpy(history), 1):
        gradients = torch.zeros(2, LAYOUT.row_size, dtype=torch.float64)
        gradients[:, 0] = norms
        clip.observe(norms, context)
        clip.apply(gradients, norms, context)
        limits = [np.quantile(history[:count, trial], share, method="inverted_cdf") for trial in range(2)]
        expected = np.minimum(history[count - 1], limits)
        assert (gradients[:, 0].numpy() >= expected * (1 - 1e-6)).all()
        assert (gradients[:, 0].numpy() <= expected * 1.012).all(), "bins are 1.1 % wide"


def test_norms_that_stay_the_same_are_never_clipped():
    raw = gradients_of()
    assert torch.equal(clipped(ClipQuantile(0.01), raw), raw), "the first norm is its own quantile"
    one = raw[:1]
    assert torch.equal(clipped(ClipQuantile(0.01), one, past=[row_norms(one).item()] * 5), one)


def test_the_largest_share_never_clips_what_was_seen_before():
    raw = gradients_of()
    assert torch.equal(clipped(ClipQuantile(1.0), raw, past=[1e-9, 1e9]), raw)


def test_non_finite_norms_are_no_part_of_the_past():
    raw = gradients_of(1, scales=(1,))
    norm = row_norms(raw).item()
    past = [norm / 100] * 3
    expected = clipped(ClipQuantile(0.5), raw, past)
    assert row_norms(expected).item() == pytest.approx(norm / 100, rel=0.012)
    assert torch.equal(clipped(ClipQuantile(0.5), raw, [math.inf, *past, math.nan, math.inf]), expected)


def test_a_quantile_of_another_trials_past_breaks_the_promise():
    clip, raw = ClipQuantile(0.5), gradients_of(2, scales=(1, 1))
    wrong = clipped(clip, raw, past=[0.001] * 4)
    assert holds(clip, raw, wrong, past=[0.001] * 4).all()
    assert not holds(clip, raw, wrong, past=[0.01] * 4).any()
    assert not holds(clip, raw, raw, past=[0.001] * 4).any(), "not clipping is seen"


# Skipping


def test_skipping_takes_nothing_of_a_long_or_non_finite_gradient_and_all_of_another():
    raw = gradients_of()
    raw[1, 0], raw[2, 0] = math.nan, math.inf
    norms = row_norms(raw)
    taken = clipped(Skip(norms[0].item()), raw)
    assert torch.equal(taken[0], raw[0]), "at the threshold"
    assert (taken[1:] == 0).all()
    assert Skip(1.0).dropped(norms).tolist() == [False, True, True, True]


# Every setting


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_a_clip_keeps_its_own_promise(spec, dtype):
    raw = gradients_of(dtype=dtype)
    assert holds(registry.clip(spec), raw, clipped(registry.clip(spec), raw)).all()


@pytest.mark.parametrize("spec", [
    "none", "norm:0.001", "value:0.001", "layer:0.001", "agc:0.0001", "quantile:0.5", "skip:1e9",
])  # fmt: skip
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
    raw = torch.zeros(1, LAYOUT.row_size)
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
    *[(spec, value) for spec in ("layer:1", "agc:0.1", "quantile:0.5") for value in (math.inf, -math.inf, math.nan)],
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
        norms = ledger.before(raw, context_of(raw))
        taken = raw.clone()
        ClipNorm(1.0).apply(taken[:2], norms[:2], context_of(raw[:2]))
        ledger.taken(taken)
    accounts = ledger.flush(torch.ones(3, 3, dtype=torch.bool))
    assert [account.clipped_fraction for account in accounts] == [0, 1, 0]
    assert [account.median for account in accounts] == row_norms(raw).tolist()
    assert accounts[0].largest_taken == row_norms(raw)[0]
    assert accounts[1].largest_taken == pytest.approx(1)
    assert accounts[2].largest_taken == row_norms(raw)[2]


def test_the_ledger_keeps_the_cosine_between_what_came_and_what_was_taken():
    ledger = ledger_of("none", "value:1", "skip:1")
    raw = torch.zeros(3, LAYOUT.row_size)
    raw[:, :2] = torch.tensor([3.0, 0.5])
    taken = raw.clone()
    context = context_of(raw)
    norms = ledger.before(raw, context)
    for place, block in enumerate(ledger.blocks):
        block.clip.apply(taken[place : place + 1], norms[place : place + 1], context.rows(block.rows))
    ledger.taken(taken)
    none, value, skip = ledger.flush(torch.ones(1, 3, dtype=torch.bool))
    assert none.mean_cosine == pytest.approx(1, abs=1e-12)
    assert value.mean_cosine == pytest.approx((3 + 0.25) / math.sqrt(9.25 * 1.25))
    assert skip.mean_cosine is None, "what is dropped has no direction"
    assert value.join(none).mean_cosine == pytest.approx((1 + value.mean_cosine) / 2)


def test_the_ledger_leaves_out_updates_after_a_trials_end():
    ledger = ledger_of("none", "none")
    for size in (1.0, 2.0, 5.0):
        raw = gradients_of(2, scales=(size, size))
        ledger.before(raw, context_of(raw))
        ledger.taken(raw)
    norms = row_norms(gradients_of(2, scales=(1.0, 1.0)))
    active = torch.tensor([[True, True], [True, False], [True, False]])
    one, other = ledger.flush(active)
    assert one.largest == (pytest.approx(5 * norms[0].item()), 2)
    assert other.largest == (pytest.approx(norms[1].item()), 0)
    assert other.median == pytest.approx(norms[1].item())


def test_the_ledger_names_the_setting_whose_promise_is_broken():
    ledger, raw = ledger_of("none", "norm:0.5"), gradients_of(2, scales=(1, 1))
    ledger.before(raw, context_of(raw))
    ledger.taken(raw)
    with pytest.raises(ClippingError, match=r"did not take the gradient that clip norm:0\.5 promises"):
        ledger.flush(torch.ones(1, 2, dtype=torch.bool))


def test_non_finite_norms_stay_out_of_medians_and_maxima():
    ledger = ledger_of("none")
    for value in (1.0, math.inf, 3.0, math.nan):
        raw = torch.full((1, 1), value)
        ledger.before(raw, context_of(raw))
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
        self.context = Context(self.network.layout, self.parameters, self.memory)
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
            context = self.context.rows(block.rows)
            block.clip.apply(self.gradients[block.rows], joint[block.rows], context)

    monkeypatch.setattr(training.Cohort, "_clip", clip)


def clip_twice(monkeypatch):
    def clip(self):
        CLIP(self)
        CLIP(self)

    monkeypatch.setattr(training.Cohort, "_clip", clip)


def clip_the_first_row_only(monkeypatch):
    def clip(self):
        block = self.ledger.blocks[0]
        block.clip.apply(self.gradients[:1], self.raw_norms[:1], self.context.rows(slice(0, 1)))

    monkeypatch.setattr(training.Cohort, "_clip", clip)


NORM, VALUE, LAYER, AGC = "norm:0.01", "value:0.001", "layer:0.01", "agc:0.001"
QUANTILE, SKIP = "quantile:0.1", "skip:0.01"
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
    *[
        (move, clip)
        for move in (clip_before_backward, clip_after_the_update, clip_never, clip_the_first_row_only)
        for clip in (LAYER, AGC, QUANTILE, SKIP)
    ],
    (clip_twice, QUANTILE),
]


@pytest.mark.parametrize(("move", "clip"), BREAKS)
def test_a_clip_called_in_the_wrong_place_stops_the_run(monkeypatch, move, clip):
    move(monkeypatch)
    finished = []
    with pytest.raises(ClippingError, match=clip):
        training.train(cohort_of(clip, clip), finished.append)
    assert finished == []


@pytest.mark.parametrize("clip", [NORM, VALUE, LAYER, AGC, QUANTILE, SKIP, "none", "norm:1e9"])
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


def test_the_cosine_is_one_unless_the_clip_turns_the_gradient():
    finished = []
    training.train(cohort_of("none", NORM, LAYER, VALUE), finished.append)
    cosines = {result.trial.clip: result.clip_cosine for result in finished}
    assert [cosines["none"], cosines[NORM]] == pytest.approx([1, 1], abs=1e-6)
    assert 0 < cosines[VALUE] < 0.99
    assert 0 < cosines[LAYER] < 0.99


# Dropped updates


def trained(trials, updates):
    """Return the cohort's parameters and running quantities after each update, ordered as its rows are."""
    seen = []
    with ambient.arithmetic():
        cohort = training.Cohort(trials, {})
        for _ in range(updates):
            cohort.step()
            seen.append((cohort.parameters.clone(), {name: value.clone() for name, value in cohort.state.items()}))
    return cohort, seen


@pytest.fixture
def infinite_at(monkeypatch):
    """Let the first row's gradient, and its loss, be infinite in some updates."""

    def replaced(*updates):
        calls = []
        plain = training.write_gradients

        def write(*given):
            calls.append(1)
            losses, gradients = plain(*given), given[3]
            if len(calls) in updates:
                gradients[0, 0] = losses[0] = math.inf
            return losses

        monkeypatch.setattr(training, "write_gradients", write)

    return replaced


@pytest.mark.parametrize("optimizer", ["adam", "sgd:momentum=0.9", "rmsprop"])
def test_a_dropped_update_moves_neither_parameters_nor_running_quantities(infinite_at, optimizer):
    infinite_at(1, 3)
    trials = [replace(trial, optimizer=optimizer, weight_decay=0.1) for trial in cohort_of("skip:1e9", "skip:1e9")]
    cohort, ((first, one), (second, _), (third, three), _) = trained(trials, 4)
    start = torch.from_numpy(cohort.network.initial_row(0)).float()
    assert torch.equal(first[0], start)
    assert all((value[0] == 0).all() for value in one.values())
    assert not torch.equal(second[0], start)
    assert torch.equal(third[0], second[0])
    assert not torch.equal(third[1], second[1])
    assert all(not torch.equal(three[name][1], one[name][1]) for name in one)
    assert cohort.active.all()


def test_the_optimiser_does_not_count_dropped_updates():
    adam = registry.optimizer("adam")
    generator = torch.Generator().manual_seed(0)
    parameters = torch.randn(3, 48, generator=generator)
    for dtype in DTYPES:
        rows, rate = parameters.to(dtype), torch.full((3, 1), 0.1, dtype=dtype)
        together, alone = adam.start(rows), [adam.start(rows[place : place + 1]) for place in range(3)]
        for update in range(1, 6):
            counts = [update, update + 2, update]
            step = adam.step(rows, rows.sin(), together, rate, counts, 0.0, lambda gradients: None)
            for place, count in enumerate(counts):
                row = rows[place : place + 1]
                one = adam.step(row, row.sin(), alone[place], rate[:1], count, 0.0, lambda gradients: None)
                assert torch.equal(one[0], step[place]), "the same bytes, counted for all or for each"


def test_adam_goes_on_after_dropped_updates_as_if_they_had_not_been(infinite_at, monkeypatch):
    infinite_at(1, 2)
    counts = []
    plain = training.Cohort._updates_taken

    def taken(self, drops):
        counts.append(plain(self, drops))
        return counts[-1]

    monkeypatch.setattr(training.Cohort, "_updates_taken", taken)
    trained(cohort_of("skip:1e9", "skip:1e9"), 4)
    assert counts == [[1, 1], [1, 2], [1, 3], [2, 4]]


def test_company_that_drops_updates_changes_nothing():
    trials = cohort_of("skip:0.2", "none", "norm:0.1")
    for trial in trials:
        alone, together = [], []
        training.train([trial], alone.append)
        training.train(trials, together.append)
        (found,) = [result for result in together if result.trial == trial]
        assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)
        assert found.clipped_fraction is not None
        assert (found.clipped_fraction > 0) == (trial.clip != "none")


def test_a_trial_that_drops_what_is_not_finite_lives_on(infinite_at):
    infinite_at(2)
    (other, skipping) = cohort_of("none", "skip:1e9")
    finished = []
    training.train([skipping], finished.append)
    infinite_at(2)
    training.train([other], finished.append)
    assert [(result.status, result.diverged_at) for result in finished] == [("unsolved", None), ("diverged", 2)]
    assert finished[0].clipped_fraction == pytest.approx(0.25)


# What a clip remembers goes with its trial


def test_a_trials_memory_follows_it_when_another_leaves():
    trials = cohort_of(QUANTILE, QUANTILE, QUANTILE)
    with ambient.arithmetic():
        cohort = training.Cohort(trials, {})
        cohort.advance()
        kept = [cohort.memory[place].clone() for place in (0, 2)]
        cohort.intervals()
        cohort.keep([0, 2])
        assert all(torch.equal(row, memory) for row, memory in zip(cohort.memory, kept, strict=True))
        assert cohort.memory.sum(1).tolist() == [2, 2]
    alone = []
    training.train(trials[2:], alone.append)
    together = []
    training.train(trials, together.append)
    (found,) = [result for result in together if result.trial == trials[2]]
    assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)
