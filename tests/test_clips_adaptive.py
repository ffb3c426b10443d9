"""Clips that remember, against their papers' equations written out; norms of other types; and the guard."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from clip_samples import LAYOUT, clipped, cohort_of, context_of, gradients_of, holds, parameters_with
from torch.nn.utils import clip_grad_norm_

from longlag import registry
from longlag.clips.base import Context, row_norms
from longlag.clips.guard import SHARE
from longlag.plan.study import adhoc
from longlag.tasks.support.errors import UsageError
from longlag.training.clip_audit import ClippingError
from longlag.training.cohort import train
from longlag.training.gradients import write_gradients
from longlag.values.trial import Trial

# Norms of other types


@pytest.mark.parametrize("kind", ["1", "inf"])
@pytest.mark.parametrize("threshold", [0.01, 1.0, 100.0])
def test_norms_of_other_types_equal_torchs(kind, threshold):
    raw = gradients_of()
    for before, after in zip(raw, clipped(registry.clip(f"norm:{threshold},type={kind}"), raw), strict=True):
        theirs = parameters_with(before)
        clip_grad_norm_(theirs, threshold, norm_type=float(kind))
        for mine, parameter in zip(LAYOUT.views(after).values(), theirs, strict=True):
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=0)  # torch adds 1e-6 to the norm


def test_the_usual_norm_needs_no_type_and_keeps_its_key():
    assert registry.clip("norm:1,type=2").spec == "norm:1"
    assert registry.clip("norm:1,type=inf").spec == "norm:1,type=inf"
    with pytest.raises(UsageError, match="type must be one of 2, 1, inf"):
        registry.clip("norm:1,type=3")


def test_norms_of_other_types_are_finite_where_entries_are():
    raw = torch.full((2, 100), 1e307, dtype=torch.float64)
    assert row_norms(raw, math.inf).tolist() == [1e307, 1e307]
    torch.testing.assert_close(row_norms(raw / 1e3, 1), torch.full((2,), 1e306, dtype=torch.float64))


# What is remembered


def history(updates, seed=0):
    """Norms (U, 2) of two trials with spikes, which a clip of outliers should see."""
    generator = np.random.default_rng(seed)
    norms = np.exp(generator.normal(0, 0.3, (updates, 2)))
    norms[generator.random((updates, 2)) < 0.05] *= 20
    return norms


def run_through(spec, rows):
    """Return what a clip makes of gradients (U, R, P), one after the other, each held against its promise."""
    clip, taken = registry.clip(spec), []
    context = Context(LAYOUT, torch.zeros_like(rows[0]), torch.zeros(rows.shape[1], clip.memory_size(LAYOUT)).double())
    for raw in rows:
        norms, after = row_norms(raw), raw.clone()
        clip.observe(raw, norms, context)
        clip.apply(after, norms, context)
        assert (clip.holds(raw, after, norms, row_norms(after), context) | ~norms.isfinite()).all()
        taken.append(after)
    return torch.stack(taken), context


def along_one_axis(norms):
    rows = torch.zeros(*norms.shape, LAYOUT.row_size, dtype=torch.float64)
    rows[:, :, 0] = torch.from_numpy(norms)
    return rows


def zclip_by_hand(norms, z, alpha, warmup):
    """Kumar et al. 2025, section 3: norms after clipping."""
    mean, variance = np.mean(norms[:warmup]), np.var(norms[:warmup])
    taken = list(norms[:warmup])
    for norm in norms[warmup:]:
        score = (norm - mean) / math.sqrt(variance)
        taken.append(mean + z**2 / score * math.sqrt(variance) if score > z else norm)
        mean = alpha * mean + (1 - alpha) * taken[-1]
        variance = alpha * variance + (1 - alpha) * (taken[-1] - mean) ** 2
    return taken


@pytest.mark.parametrize(("spec", "settings"), [
    ("zclip:2.5", (2.5, 0.97, 25)), ("zclip:1,alpha=0.9,warmup=5", (1.0, 0.9, 5)),
])  # fmt: skip
def test_zclip_follows_its_paper(spec, settings):
    norms = history(200)
    found = run_through(spec, along_one_axis(norms))[0][:, :, 0].numpy()
    for trial in range(2):
        np.testing.assert_allclose(found[:, trial], zclip_by_hand(norms[:, trial], *settings), rtol=1e-9)
    assert 0.01 < (found < norms).mean() < 0.7


def adagc_by_hand(rows, relative, absolute, beta, warmup):
    """Wang et al. 2025, algorithm 1, for one trial's tensors: lists of arrays, one list an update."""
    averages, taken = {}, []
    for update, tensors in enumerate(rows):
        joint = math.sqrt(sum((tensor**2).sum() for tensor in tensors))
        after = []
        for place, tensor in enumerate(tensors):
            length = math.sqrt((tensor**2).sum())
            factor = min(1, absolute / joint if update < warmup else relative * averages[place] / length)
            after.append(tensor * factor)
            new = length * factor
            if update < warmup:
                averages[place] = min(averages.get(place, math.inf), new)
            else:
                averages[place] = beta * averages[place] + (1 - beta) * new
        taken.append(after)
    return taken


def tensors_of(row):
    return [part[0].numpy() for slot in LAYOUT.slots for part in slot.part_views(row.unsqueeze(0))]


@pytest.mark.parametrize(("spec", "settings"), [
    ("adagc:1.05,warmup=20", (1.05, 1.0, 0.98, 20)),
    ("adagc:0.9,lambda_abs=0.3,beta=0.5,warmup=3", (0.9, 0.3, 0.5, 3)),
])  # fmt: skip
def test_adagc_follows_its_paper_tensor_by_tensor(spec, settings):
    rows = torch.stack([gradients_of(2, scales=scales) for scales in history(60).tolist()])
    rows *= 1 + 0.5 * torch.rand(60, 1, LAYOUT.row_size, generator=torch.Generator().manual_seed(0)).double()
    found, _ = run_through(spec, rows)
    for trial in range(2):
        expected = adagc_by_hand([tensors_of(row) for row in rows[:, trial]], *settings)
        for mine, theirs in zip(found[:, trial], expected, strict=True):
            for one, other in zip(tensors_of(mine), theirs, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_tensor_without_a_gradient_so_far_has_no_limit_in_adagc():
    rows = torch.stack([gradients_of(1, scales=(0.1,)) for _ in range(6)])
    bias = LAYOUT.views(rows[0, 0])["0.bias"]
    for row in rows[:4, 0]:
        LAYOUT.views(row)["0.bias"].zero_()
    assert not bias.any()
    found, _ = run_through("adagc:1,warmup=2", rows)
    assert torch.equal(LAYOUT.views(found[4, 0])["0.bias"], LAYOUT.views(rows[4, 0])["0.bias"])


@pytest.mark.parametrize("spec", ["zclip:1,warmup=3", "adagc:1,warmup=3"])
def test_norms_that_are_not_finite_leave_no_trace(spec):
    rows = along_one_axis(history(20)) + 0.01 * gradients_of(2, scales=(1, 1))
    wild = torch.cat([rows[:10], torch.full_like(rows[:1], math.nan), torch.full_like(rows[:1], math.inf), rows[10:]])
    (found, kept), (expected, memory) = run_through(spec, wild), run_through(spec, rows)
    assert torch.equal(torch.cat([found[:10], found[12:]]), expected)
    places = slice(0, 3) if spec.startswith("zclip") else slice(0, 1 + LAYOUT.num_tensors)
    assert torch.equal(kept.memory[:, places], memory.memory[:, places])


@pytest.mark.parametrize("spec", ["zclip:1,warmup=3", "adagc:1,warmup=3"])
def test_statistics_fed_with_what_came_instead_of_what_was_taken_break_the_promise(spec):
    clip, rows = (
        registry.clip(spec),
        torch.stack([gradients_of(2, scales=(size, size)) for size in (1, 1.1, 0.9, 1, 50)]),
    )
    taken, context = run_through(spec, rows)
    norms, after = row_norms(rows[-1]), row_norms(taken[-1])
    assert (after < norms).all()
    assert clip.holds(rows[-1], taken[-1], norms, after, context).all()
    for place in range(1, 1 + LAYOUT.num_tensors if spec.startswith("adagc") else 2):
        context.memory[0, place] *= 1.01
        assert clip.holds(rows[-1], taken[-1], norms, after, context).tolist() == [False, True]
        context.memory[0, place] /= 1.01


@pytest.mark.parametrize("clip", ["zclip:0.5,warmup=1", "adagc:0.5,warmup=1"])
def test_what_is_remembered_moves_with_a_trial(clip):
    trials = [replace(trial, updates=6, eval_every=2) for trial in cohort_of(clip, clip, "none")]
    together, alone = [], []
    train(trials, together.append)
    train([trials[1]], alone.append)
    (found,) = [result for result in together if result.trial == trials[1]]
    assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)
    assert found.clipped_fraction > 0


# The guard


def test_a_gradient_that_cannot_be_trusted_becomes_a_share_of_the_recurrent_weights():
    raw = gradients_of()
    raw[0, 0], raw[1, 3], raw[2] = math.nan, -math.inf, raw[2] * 1e12
    weights = LAYOUT.views(context_of(raw).parameters[0])["0.recurrent_weight"]
    for spec, norm in (("guard", row_norms(raw)[3]), ("norm:0.5+guard", 0.5)):
        taken = clipped(registry.clip(spec), raw)
        for row in taken[:3]:
            views = LAYOUT.views(row)
            assert torch.equal(views.pop("0.recurrent_weight"), SHARE * weights)
            assert not any(view.any() for view in views.values())
        torch.testing.assert_close(row_norms(taken)[3], torch.tensor(float(norm)).double())
        assert holds(registry.clip(spec), raw, taken).all()
        for place in range(4):
            wrong = taken.clone()
            wrong[place] *= 1.01
            assert holds(registry.clip(spec), raw, wrong).tolist() == [row != place for row in range(4)]


def unfinished(monkeypatch, updates, value=math.inf):
    """Let the first row's gradient, and its loss, be not finite in some updates."""
    calls = []

    def write(*given):
        calls.append(1)
        losses, gradients = write_gradients(*given), given[3]
        if len(calls) in updates:
            gradients[0, 0] = losses[0] = value
        return losses

    monkeypatch.setattr("longlag.training.update.write_gradients", write)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize(("clip", "ends"), [
    ("none", "diverged"), ("norm:0.1", "diverged"), ("guard", "unsolved"), ("norm:0.1+guard", "unsolved"),
])  # fmt: skip
def test_a_guarded_trial_lives_on(monkeypatch, clip, ends, value):
    unfinished(monkeypatch, {2}, value)
    found = []
    train(cohort_of(clip), found.append)
    assert found[0].status == ends
    if clip == "guard":
        assert found[0].clipped_fraction == 0.25


def test_a_guard_that_does_not_act_stops_the_run(monkeypatch):
    unfinished(monkeypatch, {2})
    monkeypatch.setattr("longlag.clips.guard.Guard.apply", lambda *_: None)
    with pytest.raises(ClippingError, match="guard"):
        train([replace(trial, updates=3, eval_every=3) for trial in cohort_of("guard")], [].append)


def test_company_of_a_guarded_trial_keeps_its_numbers(monkeypatch):
    trials = cohort_of("guard", "norm:0.1", "skip:0.3")
    alone = []
    train([trials[1]], alone.append)
    unfinished(monkeypatch, {1, 3})
    together = []
    train(trials, together.append)
    (found,) = [result for result in together if result.trial == trials[1]]
    assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)


def test_the_guard_stands_beside_other_settings_and_needs_recurrent_weights():
    assert registry.clip("guard+norm:1").spec == "norm:1+guard"
    assert registry.clip("omega:4+guard+norm:1").spec == "norm:1+guard+omega:4"
    with pytest.raises(UsageError, match="only one setting may clip the gradient; guard, omega and state may be added"):
        registry.clip("norm:1+guard+value:1")
    for cell in ("minlstm", "transformer"):
        with pytest.raises(UsageError, match=rf"guard shrinks the tensor recurrent_weight; cell {cell} has none"):
            adhoc(task="adding:length=5", cell=cell, clip="norm:1+guard").trials()


def test_old_keys_stay():
    assert Trial("adding", "lstm", "norm:1", 0.01, 0).key == "a83c09cb83cd5e0f"
