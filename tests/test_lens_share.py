"""Share: the parts add up to the gradient, closed forms, and what each kind of clip does to it."""

from dataclasses import replace

import pytest
import torch
from lens_samples import ADDING, COPY, orthogonal, subject, with_weights

from longlag import registry
from longlag.lens.share import Share, _backward_pass
from longlag.lens.support.steps import scans_of
from longlag.tasks.support.errors import UsageError
from longlag.values.backward import PLAIN, Backward

PART = "recurrent"


def shares(found, name="after"):
    return Share().look(found).parts[PART][name]


@pytest.mark.parametrize("task", [COPY, "parity:steps=3-6"])
def test_the_parts_of_all_steps_are_the_gradient(task):
    cells = [name for name in registry.names("cell") if name != "torchrecurrent"]
    for cell in cells:
        if not registry.cell(cell).recurrent_shapes(8):
            continue
        found = subject(cell, task, sequences=4, hidden_size=8)
        batch = found.batches[0]
        signals, gradient = _backward_pass(found, batch, PLAIN)
        (scan,) = scans_of(found, signals, batch)
        steps = range(len(batch.mask))
        parts = [scan.weight_gradient(torch.full((4,), step)) for step in steps]
        ((_, target),) = found.network.scans(found.network.layout.views(gradient))
        for name in scan.recurrent:
            total = sum(part[name] for part in parts)
            torch.testing.assert_close(total, target[name], rtol=1e-7, atol=1e-10, msg=f"{cell}: {name}")


def test_both_directions_count_from_the_answer():
    found = subject("gru", "sentiment", sequences=4, direction="bidirectional", layers=2)
    batch = found.batches[0]
    signals, gradient = _backward_pass(found, batch, PLAIN)
    targets = found.network.scans(found.network.layout.views(gradient))
    for scan, (_, target) in zip(scans_of(found, signals, batch), targets, strict=True):
        total = [scan.weight_gradient(torch.full((4,), step)) for step in range(len(batch.mask))]
        for name in scan.recurrent:
            torch.testing.assert_close(sum(part[name] for part in total), target[name], rtol=1e-7, atol=1e-12)


def test_a_network_that_reads_the_past_only_through_its_last_step_has_no_far_share():
    found = with_weights(subject("rnn", ADDING), recurrent_weight=0.0)
    assert shares(found) == [1.0] + [0.0] * 8


def test_norm_clips_change_no_share_and_value_clips_do():
    found = subject("gru", ADDING)
    plain = shares(found)
    scaled = Share().look(replace(found, clip=registry.clip("norm:1e-3")))
    assert scaled.numbers["clipped"]
    assert scaled.parts[PART]["after"] == pytest.approx(plain, rel=1e-5)
    assert shares(replace(found, clip=registry.clip("value:1e6"))) == plain
    cut = Share().look(replace(found, clip=registry.clip("value:1e-4")))
    assert cut.parts[PART]["before"] == plain
    assert cut.parts[PART]["after"] != pytest.approx(plain, rel=1e-2)


def test_a_truncation_leaves_nothing_beyond_its_border():
    found = replace(subject("rnn:init=orthogonal", ADDING), backward=Backward(truncate=4))
    cut = Share().look(found)
    assert all(value > 0 for value in cut.parts[PART]["before"][:-1])  # the first step has no state before it
    assert cut.parts[PART]["after"][1:] == [0.0] * 8, "the last of nine steps is a chunk of its own"
    held = Share().look(replace(found, backward=Backward(signal_limit=1e-9)))
    assert held.parts[PART]["after"] != pytest.approx(held.parts[PART]["before"], rel=1e-3)


def test_a_linear_network_has_the_share_that_its_scale_gives():
    """With one unit, the parts are products of numbers: h and d by hand."""
    found = subject("rnn:nonlinearity=linear", ADDING, sequences=1, hidden_size=1)
    scale = 0.9
    found = with_weights(found, recurrent_weight=scale, bias=0.0, input_weight=torch.tensor([[1.0], [0.0]]))
    values = found.batches[0].inputs[:, 0, 0].double()
    h, before = 0.0, []
    for value in values.tolist():
        before.append(h)
        h = value + scale * h
    parts = torch.tensor([scale ** (8 - step) * before[step] for step in range(9)], dtype=torch.float64)
    far = parts.cumsum(0).flip(0)
    assert shares(found) == pytest.approx((far / far[0]).abs().tolist(), rel=1e-5)


def test_a_dropped_update_has_no_share():
    found = Share().look(replace(subject("gru", ADDING), clip=registry.clip("skip:1e-9")))
    assert found.parts[PART]["after"] == [None] * 9
    assert found.numbers["needed_after"] is None


def test_modules_have_no_steps_to_look_at():
    for cell in ("transformer", "torchrecurrent:cell=LiGRU"):
        with pytest.raises(UsageError, match="runs whole sequences"):
            Share().look(subject(cell, COPY, hidden_size=8))


def test_orthogonal_matrices_are_orthogonal():
    matrix = orthogonal(5)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(5, dtype=torch.float64))
