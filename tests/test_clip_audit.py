"""The ledger notes what came and what was taken; a run in which clipping does not act where it should stops."""

import math
from dataclasses import replace

import pytest
import torch
from clip_samples import LAYOUT, cohort_of, context_of, gradients_of

from longlag import registry
from longlag.clips.base import Context, row_norms
from longlag.clips.norm import ClipNorm
from longlag.passes.clips import KEEP, clip_row
from longlag.passes.noted import AFTER, CHANGED, COSINE
from longlag.passes.row import Row
from longlag.training.blocks import blocks_of
from longlag.training.clip_audit import ClippingError, Ledger
from longlag.training.cohort import Cohort, train

# The ledger


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return finished


def ledger_of(*specs):
    return Ledger(blocks_of([registry.clip(spec) for spec in specs]))


def show(ledger, raw, taken, context=None):
    """Show a ledger one update."""
    context = context or context_of(raw)
    ledger.start()
    for block in ledger.blocks:
        ledger.before(block, raw[block.rows], context.rows(block.rows))
    for block in ledger.blocks:
        ledger.taken(block, taken[block.rows])


def test_the_ledger_counts_what_was_clipped_and_keeps_both_norms():
    ledger, raw = ledger_of("norm:1", "norm:1", "none"), gradients_of(3, scales=(0.01, 1, 1))
    for _ in range(3):
        taken = raw.clone()
        ClipNorm(1.0).apply(taken[:2], row_norms(raw[:2]), context_of(raw[:2]))
        show(ledger, raw, taken)
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
    context, norms = context_of(raw), row_norms(raw)
    for place, block in enumerate(ledger.blocks):
        block.clip.apply(taken[place : place + 1], norms[place : place + 1], context.rows(block.rows))
    show(ledger, raw, taken)
    none, value, skip = ledger.flush(torch.ones(1, 3, dtype=torch.bool))
    assert none.mean_cosine == pytest.approx(1, abs=1e-12)
    assert value.mean_cosine == pytest.approx((3 + 0.25) / math.sqrt(9.25 * 1.25))
    assert skip.mean_cosine is None, "what is dropped has no direction"
    assert value.join(none).mean_cosine == pytest.approx((1 + value.mean_cosine) / 2)


def test_the_ledger_leaves_out_updates_after_a_trials_end():
    ledger = ledger_of("none", "none")
    for size in (1.0, 2.0, 5.0):
        raw = gradients_of(2, scales=(size, size))
        show(ledger, raw, raw)
    norms = row_norms(gradients_of(2, scales=(1.0, 1.0)))
    active = torch.tensor([[True, True], [True, False], [True, False]])
    one, other = ledger.flush(active)
    assert one.largest == (pytest.approx(5 * norms[0].item()), 2)
    assert other.largest == (pytest.approx(norms[1].item()), 0)
    assert other.median == pytest.approx(norms[1].item())


def test_the_ledger_names_the_setting_whose_promise_is_broken():
    ledger, raw = ledger_of("none", "norm:0.5"), gradients_of(2, scales=(1, 1))
    show(ledger, raw, raw)
    with pytest.raises(ClippingError, match=r"did not take the gradient that clip norm:0\.5 promises"):
        ledger.flush(torch.ones(1, 2, dtype=torch.bool))


def test_non_finite_norms_stay_out_of_medians_and_maxima():
    ledger = ledger_of("none")
    for value in (1.0, math.inf, 3.0, math.nan):
        raw = torch.full((1, 1), value)
        show(ledger, raw, raw)
    (account,) = ledger.flush(torch.ones(4, 1, dtype=torch.bool))
    assert (account.median, account.largest, account.largest_taken) == (2.0, (3.0, 2), 3.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_replaced_gradient_counts_as_clipped_though_no_number_of_it_could_be_compared(value):
    ledger, raw = ledger_of("guard"), gradients_of(1)
    show(ledger, raw, raw)
    lost = torch.full_like(raw, value)
    taken, context = lost.clone(), context_of(lost)
    (block,) = ledger.blocks
    block.clip.apply(taken, row_norms(lost), context)
    show(ledger, lost, taken, context)
    (account,) = ledger.flush(torch.ones(2, 1, dtype=torch.bool))
    assert account.clipped.tolist() == [0, 1]


# The invariant that every run checks: each wrong place for the call stops the run


CLIP, BACKWARD, STEP = (getattr(Cohort, name) for name in ("_clip", "_backward", "_step"))


def clip_before_backward(monkeypatch):
    def backward(self):
        self.raw_norms = {block: row_norms(self.gradients[block.rows]) for block in self.blocks}
        self.context = Context(self.network.layout, self.parameters, self.memory)
        CLIP(self)
        BACKWARD(self)

    monkeypatch.setattr(Cohort, "_backward", backward)
    monkeypatch.setattr(Cohort, "_clip", lambda self: None)


def clip_after_the_update(monkeypatch):
    def step(self):
        STEP(self)
        CLIP(self)

    monkeypatch.setattr(Cohort, "_step", step)
    monkeypatch.setattr(Cohort, "_clip", lambda self: None)


def clip_never(monkeypatch):
    monkeypatch.setattr(Cohort, "_clip", lambda self: None)


def clip_on_the_joint_norm(monkeypatch):
    def clip(self):
        joint = row_norms(self.gradients).square().sum().sqrt()
        for block in self.blocks:
            rows = self.gradients[block.rows]
            block.clip.apply(rows, joint.expand(len(rows)), self.context.rows(block.rows))
        note_what_is_there(self)

    monkeypatch.setattr(Cohort, "_clip", clip)


def note_what_is_there(self):
    """Let the passes note the gradients as they are."""
    for place, row in self.rows.items():
        clip_row(KEEP, math.inf, row.gradients, self.ledger.noted[-1][place].numpy())


def note_and_not_clip(monkeypatch):
    def clip(self, noted):
        clip_row(*self.passes.setting, self.gradients.copy(), noted)

    monkeypatch.setattr(Row, "clip", clip)


def note_another_norm(monkeypatch):
    def clip(self, noted):
        before(self, noted)
        noted[AFTER] *= 1 + 1e-7

    before = Row.clip
    monkeypatch.setattr(Row, "clip", clip)


def note_another_cosine(monkeypatch):
    def clip(self, noted):
        before(self, noted)
        noted[COSINE] -= 1e-7

    before = Row.clip
    monkeypatch.setattr(Row, "clip", clip)


def note_no_change(monkeypatch):
    def clip(self, noted):
        before(self, noted)
        noted[CHANGED] = 0

    before = Row.clip
    monkeypatch.setattr(Row, "clip", clip)


def measure_the_joint_norm(monkeypatch):
    def backward(self):
        BACKWARD(self)
        joint = row_norms(self.gradients).square().sum().sqrt()
        self.raw_norms = {block: joint.expand(len(norms)) for block, norms in self.raw_norms.items()}

    monkeypatch.setattr(Cohort, "_backward", backward)


def clip_twice(monkeypatch):
    def clip(self):
        CLIP(self)
        CLIP(self)

    monkeypatch.setattr(Cohort, "_clip", clip)


def clip_the_first_row_only(monkeypatch):
    def clip(self):
        block = self.blocks[0]
        if block.by_pass:
            note_what_is_there(self)
            self.rows[0].clip(self.ledger.noted[-1][0].numpy())
        else:
            block.clip.apply(self.gradients[:1], self.raw_norms[block][:1], self.context.rows(slice(0, 1)))

    monkeypatch.setattr(Cohort, "_clip", clip)


NORM, VALUE, LAYER, AGC = "norm:0.01", "value:0.001", "layer:0.01", "agc:0.001"
QUANTILE, SKIP = "quantile:0.1", "skip:0.01"
ZCLIP, ADAGC = "zclip:0.01,warmup=1", "adagc:0.1,lambda_abs=0.01,warmup=1"
SUM, LARGEST = "norm:0.01,type=1", "norm:0.001,type=inf"
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
        for clip in (LAYER, AGC, QUANTILE, SKIP, ADAGC, SUM, LARGEST)
    ],
    (clip_twice, QUANTILE),
    *[(move, ZCLIP) for move in (clip_before_backward, clip_after_the_update, clip_never)],
]
NOTES = [
    (note, clip)
    for note in (note_and_not_clip, note_another_norm, note_another_cosine, note_no_change)
    for clip in (NORM, VALUE)
]
BY_TORCH = [(move, clip) for move, clip in BREAKS if clip in (NORM, VALUE)] + [(measure_the_joint_norm, NORM)]


@pytest.mark.parametrize("audit_every", [False, True])
@pytest.mark.parametrize(("move", "clip"), [*BREAKS, *NOTES])
def test_a_clip_called_in_the_wrong_place_stops_the_run(monkeypatch, move, clip, audit_every):
    move(monkeypatch)
    finished = []
    with pytest.raises(ClippingError, match=clip):
        train(cohort_of(clip, clip), finished.append, audit_every=audit_every)
    assert finished == []


@pytest.mark.parametrize(("move", "clip"), BY_TORCH)
def test_so_it_does_beside_an_optimiser_without_a_pass(monkeypatch, move, clip):
    move(monkeypatch)
    finished = []
    trials = [replace(trial, optimizer="muon") for trial in cohort_of(clip, clip)]
    with pytest.raises(ClippingError, match=clip):
        train(trials, finished.append)
    assert finished == []


def test_how_often_passes_are_audited_changes_no_digit():
    found = []
    for audit_every in (False, True):
        finished = []
        train(cohort_of(NORM, VALUE, "none"), finished.append, audit_every=audit_every)
        found.append([replace(result, wall_seconds=None) for result in finished])
    assert found[0] == found[1]


def test_an_update_that_nobody_has_noted_stops_the_run_though_it_is_not_audited(monkeypatch):
    monkeypatch.setattr(Cohort, "_clip", lambda self: None if self.update == 1 else CLIP(self))
    with pytest.raises(ClippingError, match="none"):
        train(cohort_of("none"), [].append)


def test_the_ledger_trusts_no_norm_of_the_cohorts(monkeypatch):
    threshold = 1.2 * max(result.grad_norm_max for result in results_of(*cohort_of(*["none"] * 4)))
    measure_the_joint_norm(monkeypatch)
    with pytest.raises(ClippingError, match="skip"):
        train(cohort_of(*[f"skip:{threshold}"] * 4), [].append)


def test_the_ledger_changes_nothing_that_it_is_shown():
    raw, ledger = gradients_of(2, scales=(1, 1)), ledger_of("quantile:0.5", "none")
    context = context_of(raw)
    shown = raw.clone(), context.parameters.clone(), context.memory.clone()
    show(ledger, raw, raw, context)
    assert all(torch.equal(*pair) for pair in zip(shown, (raw, context.parameters, context.memory), strict=True))


@pytest.mark.parametrize("clip", [NORM, VALUE, LAYER, AGC, QUANTILE, SKIP, ZCLIP, ADAGC, SUM, LARGEST, "guard"])
def test_a_clip_called_in_the_right_place_lets_the_run_end(clip):
    finished = []
    train(cohort_of(clip, clip), finished.append)
    assert [result.updates for result in finished] == [4, 4]


def test_the_norm_taken_is_the_smaller_of_norm_and_threshold():
    finished = []
    train(cohort_of(NORM, "none"), finished.append)
    none, norm = sorted(finished, key=lambda result: result.trial.clip)
    assert norm.grad_norm_after_max == pytest.approx(0.01, rel=1e-6)
    assert norm.clipped_fraction == 1
    assert none.grad_norm_after_max == none.grad_norm_max > 0.01
    assert none.clipped_fraction == 0


def test_the_cosine_is_one_unless_the_clip_turns_the_gradient():
    finished = []
    train(cohort_of("none", NORM, LAYER, VALUE), finished.append)
    cosines = {result.trial.clip: result.clip_cosine for result in finished}
    assert [cosines["none"], cosines[NORM]] == pytest.approx([1, 1], abs=1e-6)
    assert 0 < cosines[VALUE] < 0.99
    assert 0 < cosines[LAYER] < 0.99
