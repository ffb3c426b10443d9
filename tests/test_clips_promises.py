"""What every clip keeps: its own promise, padding, company, and sizes at the edge of what numbers hold."""

import math

import pytest
import torch
from clip_samples import DTYPES, LAYOUT, PAST, SPECS, clipped, gradients_of, holds

from longlag import registry
from longlag.clips.base import row_norms
from longlag.clips.norm import ClipNorm
from longlag.clips.value import ClipValue

# Every setting


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_a_clip_keeps_its_own_promise(spec, dtype):
    clip, raw = registry.clip(spec), gradients_of(dtype=dtype)
    for past in ((), PAST):
        assert holds(clip, raw, clipped(clip, raw, past), past).all()


@pytest.mark.parametrize("spec", [
    "none", "norm:0.001", "value:0.001", "layer:0.001", "agc:0.0001", "quantile:0.5", "skip:1e9", "norm:0.001,type=1",
    "norm:0.001,type=inf", "zclip:2.5", "zclip:0.5,warmup=1", "adagc:1.05", "adagc:0.5,warmup=1", "guard",
    "norm:1+guard",
])  # fmt: skip
def test_a_broken_promise_is_seen_row_by_row(spec):
    clip, raw = registry.clip(spec), gradients_of()
    for past in ((), PAST):
        wrong = clipped(clip, raw, past)
        wrong[1] *= 1.001
        assert holds(clip, raw, wrong, past).tolist() == [True, False, True, True]


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
    for past in ((), PAST):
        together = clipped(clip, raw, past)
        assert all(torch.equal(clipped(clip, raw[s : s + 1], past)[0], together[s]) for s in range(4))
        assert torch.equal(clipped(clip, raw.flip(0), past), together.flip(0))


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
    *[(spec, value) for spec in ("layer:1", "agc:0.1", "quantile:0.5", "norm:1,type=1", "norm:1,type=inf", "zclip:2.5",
                                 "adagc:1") for value in (math.inf, -math.inf, math.nan)],
])  # fmt: skip
def test_other_non_finite_gradients_stay_non_finite_and_in_their_row(spec, value):
    raw = gradients_of()
    raw[2, 0] = value
    taken = clipped(registry.clip(spec), raw)
    assert row_norms(taken).isfinite().tolist() == [True, True, False, True]
