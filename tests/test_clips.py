"""Each clip against its paper's formula, and on gradients where it must not act."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from clip_samples import LAYOUT, clipped, context_of, gradients_of, holds, parameters_with
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from longlag.clips.agc import EPS, ClipAdaptive
from longlag.clips.base import Context, row_norms
from longlag.clips.layer import ClipLayer
from longlag.clips.none import NoClip
from longlag.clips.norm import ClipNorm
from longlag.clips.quantile import BINS, ClipQuantile
from longlag.clips.skip import Skip
from longlag.clips.value import ClipValue
from longlag.values.layout import Layout

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
        clip.observe(gradients, norms, context)
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
