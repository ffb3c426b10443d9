"""Reach and bound: closed forms, finite differences for every cell, modules, and the theorem over many networks."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lens_samples import ADDING, AGREEMENT, COPY, every_cell, first, orthogonal, subject, with_weights

import longlag
from longlag import registry
from longlag.lens.bound import Bound
from longlag.lens.reach import Reach, numbers_of, reach
from longlag.lens.support import sequences
from longlag.lens.support.answers import last_margins, last_scored, margins
from longlag.lens.support.lags import ByLag, by_lag, joined, largest, quantiles, relative, thinned
from longlag.lens.support.sequences import in_double, small
from longlag.lens.support.signals import INPUT, STATE, norms_of
from longlag.tasks.base import Batch
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream

SCALE = 0.8


def state_signal(found):
    """Return the median of s by lag, from lag 0 on."""
    part = Reach().look(found).parts[STATE]
    assert part["lag"][0] == 0
    return part["median"]


def test_a_linear_network_with_a_scaled_orthogonal_matrix_fades_by_its_scale():
    cell = f"rnn:nonlinearity=linear,init=orthogonal,scale={SCALE}"
    found = subject(cell, ADDING)
    assert state_signal(found) == pytest.approx([SCALE**lag for lag in range(9)], rel=1e-5)
    assert Reach().look(found).numbers["fading"] == pytest.approx(SCALE, rel=1e-5)


def test_numbers_of_a_signal_that_fades_evenly():
    lags = np.arange(40)
    numbers = numbers_of(ByLag(lags, np.outer(SCALE**lags, [1.0, 5.0])), needed=10)
    assert numbers["reach_slope"] == pytest.approx(np.log(SCALE), rel=1e-5)
    assert numbers["reach_1pct"] == int(np.log(0.01) / np.log(SCALE)) == 20
    assert not numbers["reach_open"]
    assert numbers["needed_signal"] == pytest.approx(SCALE**10, rel=1e-5)
    shorter = numbers_of(ByLag(lags[:9], np.outer(SCALE ** lags[:9], [1.0, 5.0])))
    assert shorter["reach_1pct"] == 8
    assert shorter["reach_open"]


def test_without_recurrent_weights_nothing_arrives_from_before():
    found = with_weights(subject("rnn", ADDING), recurrent_weight=0.0)
    assert state_signal(found) == [1.0] + [0.0] * 8
    part = Reach().look(found).parts[INPUT]
    assert part["median"] == [1.0] + [0.0] * 8
    assert part["zeros"] == [0] + [64] * 8
    assert Reach().look(found).numbers["reach_1pct"] == 0


def test_gates_held_open_keep_the_signal():
    bias = torch.cat([torch.full((6,), value) for value in (0.0, 1e3, 0.0, 0.0)])  # input, forget, candidate, output
    lstm = with_weights(subject("lstm", ADDING), recurrent_weight=0.0, bias=bias)
    kept = Reach().look(lstm).parts["0.c"]["median"]
    assert kept[0] == 0.0  # of the last c all that counts goes through h
    assert kept[1:] == pytest.approx([kept[1]] * 8, rel=1e-5)
    bias = torch.cat([torch.full((6,), value) for value in (0.0, 1e3, 0.0)])  # reset, update, candidate
    gru = with_weights(subject("gru", ADDING), recurrent_weight=0.0, bias=bias)
    assert state_signal(gru) == pytest.approx([1.0] * 9, rel=1e-12)


def test_parts_of_an_lstm_make_up_the_joint_state():
    """Where the recurrent weights are zero, h has the signal of its own step's answer only, and c has the rest."""
    parts = norms_of(found := subject("lstm", ADDING), found.batches[0]).parts
    together = (parts["0.h"].square() + parts["0.c"].square()).sqrt()
    torch.testing.assert_close(parts[STATE], together)
    cut = with_weights(found, recurrent_weight=0.0)
    parts = norms_of(cut, cut.batches[0]).parts
    assert not parts["0.h"][:-1].any()
    assert parts["0.h"][-1].all()
    assert parts["0.c"][:-1].all()
    assert not parts["0.c"][-1].any()


def test_where_every_gradient_is_zero_that_is_said():
    found = subject("rnn:nonlinearity=relu", ADDING)
    dead = with_weights(found, bias=-100.0)
    numbers = Reach().look(dead).numbers
    assert numbers["silent"] == 64
    assert numbers["reach_1pct"] is None
    assert numbers["reach_slope"] is None
    assert not numbers["reach_open"]
    assert Reach().look(dead).parts[INPUT]["lag"] == []


@pytest.mark.parametrize("cell", every_cell())
def test_norms_are_those_of_finite_differences(cell):
    for task in (COPY, ADDING):
        width = getattr(registry.cell(cell), "width_step", 1)
        found = subject(cell, task, sequences=2, hidden_size=max(8, width))
        batch = found.batches[0]
        norms = norms_of(found, batch).parts[INPUT]
        vectors = batch.inputs
        if not vectors.is_floating_point():
            vectors = torch.nn.functional.one_hot(vectors, found.task.input_size).double()
        views, step = found.network.layout.views(found.row), 1e-5
        t = len(vectors) // 2
        slopes = torch.zeros(2, vectors.shape[2])
        for place in range(vectors.shape[2]):
            both = []
            for sign in (1, -1):
                moved = vectors.clone()
                moved[t, :, place] += sign * step
                with torch.no_grad():
                    both.append(last_margins(found.network.outputs(views, replace(batch, inputs=moved)), batch))
            slopes[:, place] = (both[0] - both[1]) / (2 * step)
        torch.testing.assert_close(norms[t], slopes.norm(dim=1).double(), rtol=1e-4, atol=1e-8)


def test_states_of_every_layer_and_direction_are_those_of_autograd():
    found = subject("gru", "sentiment", sequences=3, layers=2, direction="bidirectional", hidden_size=5)
    norms = norms_of(found, found.batches[0])
    assert set(norms.parts) == {INPUT, STATE, "0.h", "0-backward.h", "1.h", "1-backward.h"}
    asked = norms.last[0]
    assert not norms.parts["1.h"][asked + 1 :].any(), (
        "the top layer from left to right has nothing from behind the answer"
    )
    assert not norms.parts["1-backward.h"][:asked].any()
    assert norms.parts["1-backward.h"][asked:].all()
    lags = Reach().look(found).parts[INPUT]["lag"]
    assert lags[0] < 0 < lags[-1]


def test_sequences_end_where_they_end():
    found = subject("gru", "parity:steps=3-8", sequences=16)
    batch = found.batches[0]
    assert batch.lengths is not None
    whole = norms_of(found, batch)
    for column in range(3):
        alone = norms_of(found, first(batch, column + 1))
        torch.testing.assert_close(alone.parts[INPUT][:, column], whole.parts[INPUT][:, column], rtol=1e-9, atol=1e-12)
    assert whole.last.tolist() == [int(step[-1]) for step in (batch.mask[:, b].nonzero().flatten() for b in range(16))]


def test_a_decoder_reads_at_the_steps_at_which_it_writes():
    found = subject("gru", "reverse:items=3,symbols=4", decoder_cell="gru", decoder_layers=1)
    norms = norms_of(found, found.batches[0])
    assert (norms.parts[INPUT] > 0).all(), "every symbol that was read, and every one that it was told"
    plain = norms_of(bare := subject("gru", "reverse:items=3,symbols=4"), bare.batches[0])
    assert plain.parts[INPUT].shape == norms.parts[INPUT].shape


def test_the_margin_is_not_the_loss():
    """A right answer that is as sure as can be has no gradient of the loss left; its margin has as much as ever."""
    outputs = torch.tensor([[500.0, 0.0, 0.0], [0.0, 0.0, 500.0]], requires_grad=True)
    found = margins(outputs, torch.tensor([0, 0]))
    assert found.tolist() == pytest.approx([500 - np.log(2), -500])
    found.sum().backward()
    torch.testing.assert_close(outputs.grad, torch.tensor([[1.0, -0.5, -0.5], [1.0, 0.0, -1.0]]))


def test_lags_count_from_each_sequences_own_last_scored_step():
    mask = torch.tensor([[True, False, False], [True, True, False], [False, True, False], [False, False, False]])
    last, places = last_scored(Batch(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), mask))
    assert last.tolist() == [1, 2, -1]
    assert places.tolist() == [1, 3, -1]
    norms = np.arange(12.0).reshape(4, 3)
    found = by_lag(last.numpy(), np.array([2, 3, 4]), norms)
    assert found.lags.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found.values, [[3, 7], [0, 4], [np.nan, 1]])


def test_the_middle_is_the_median_and_not_the_mean():
    values = np.array([[1.0, 1.0, 1.0], [0.1, 0.2, 0.9]])
    part = quantiles(ByLag(np.array([0, 1]), values))
    assert part["median"] == [1.0, 0.2]
    assert part["low"][1] == pytest.approx(0.12)
    assert part["high"][1] == pytest.approx(0.76)
    assert numbers_of(ByLag(np.array([0, 1]), values))["reach_1pct"] == 1


def test_far_lags_are_thinned_and_near_ones_kept():
    lags = np.arange(0, 10_001)
    kept = lags[thinned(lags)]
    assert kept[:257].tolist() == list(range(257))
    assert kept[-1] == 10_000
    assert len(kept) < 500
    assert (kept[258:] / kept[257:-1] < 1.025).all()


def test_a_signal_that_is_not_finite_is_counted_and_left_out():
    found = ByLag(np.array([0, 1]), np.array([[1.0, np.inf, 0.0], [0.5, 1.0, 0.0]]))
    numbers = numbers_of(found)
    assert (numbers["silent"], numbers["unbounded"]) == (1, 1)
    assert relative(found, largest(found)).values.tolist() == [[1.0], [0.5]]


def test_pieces_are_joined_sequence_by_sequence():
    found = subject("gru", COPY)
    batch = found.batches[0]
    whole = joined([(norms_of(found, batch), INPUT)])
    parts = [first(batch, 64), first(batch, 3)]
    pieces = joined([(norms_of(found, part), INPUT) for part in parts])
    np.testing.assert_allclose(pieces.values[:, :64], whole.values, rtol=1e-9)
    np.testing.assert_allclose(pieces.values[:, 64:], whole.values[:, :3], rtol=1e-9)


# any module


class Reader(torch.nn.Module):
    """A torch LSTM or a transformer's attention, and a readout."""

    def __init__(self, core):
        super().__init__()
        self.core, self.readout = core, torch.nn.LazyLinear(4)

    def forward(self, inputs):
        found = self.core(inputs)
        return self.readout(found[0] if isinstance(found, tuple) else found)


@pytest.mark.parametrize(("cell", "task"), [("lstm", "parity:steps=3-9"), ("gru", ADDING)])
def test_long_sequences_come_one_by_one_and_say_the_same(cell, task, monkeypatch):
    found = subject(cell, task)
    together = Reach().look(found)
    monkeypatch.setattr(sequences, "_LONG", 3)
    assert [len(small(batch)) for batch in found.batches] == [64]
    apart = Reach().look(found)
    for one, other in [(apart.numbers, together.numbers), *((apart.parts[n], p) for n, p in together.parts.items())]:
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_allclose(np.array(one[name], float), np.array(other[name], float), rtol=1e-4)


def test_any_module_can_be_looked_at():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inputs, answer = torch.randn(7, 5, 3), torch.tensor([0, 1, 2, 3, 0])
        modules = [Reader(torch.nn.LSTM(3, 6)), Reader(torch.nn.Conv1d(5, 5, 1)), torch.nn.RNN(3, 4)]
        for module in modules:
            module(inputs)
            module.double()
    for module in modules:
        found = reach(module, inputs.double(), answer)
        t, step = 3, 1e-5
        slopes = torch.zeros(5, 3, dtype=torch.float64)
        for place in range(3):
            moved = [inputs.double().clone() for _ in "+-"]
            moved[0][t, :, place] += step
            moved[1][t, :, place] -= step
            with torch.no_grad():
                outputs = [module(one) for one in moved]
            last = [one[0][-1] if isinstance(one, tuple) else one[-1] for one in outputs]
            hidden = torch.nn.functional.one_hot(answer, 4).bool()
            sides = [one[hidden] - one.masked_fill(hidden, -torch.inf).logsumexp(1) for one in last]
            slopes[:, place] = (sides[0] - sides[1]) / (2 * step)
        again = reach(module, inputs.double(), lambda outputs, module=module: outputs[-1, :, 0])
        assert set(found.parts) == set(again.parts) == {INPUT}
        if not isinstance(module, Reader) or isinstance(module.core, torch.nn.LSTM):  # others mix sequences
            given = inputs.double().clone().requires_grad_()
            outputs = module(given)
            outputs = outputs[0] if isinstance(outputs, tuple) else outputs
            margin = outputs[-1][hidden] - outputs[-1].masked_fill(hidden, -torch.inf).logsumexp(1)
            whole = torch.autograd.grad(margin.sum(), given)[0].norm(dim=2)
            torch.testing.assert_close(whole[t], slopes.norm(dim=1), rtol=1e-5, atol=1e-10)
            expected = (whole / whole.max(0).values).flip(0).median(1).values
            assert found.parts[INPUT]["median"] == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_example_of_the_readme_runs():
    readme = (Path(longlag.__path__[0]) / "lens" / "README.md").read_text()
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "lens.reach" in block]
    names: dict[str, object] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(example, names)
    found = names["found"]
    assert len(found.parts["input"]["median"]) == 50
    assert 0 < found.numbers["reach_1pct"] < 49


def test_a_module_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"outputs must be \(T, B, ...\) = \(4, 2, ...\), not \(2, 4, 3\)"):
        reach(Turned(), torch.zeros(4, 2, 3), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"answers must be one number for each sequence, \(2,\), not \(4,\)"):
        reach(torch.nn.Identity(), torch.zeros(4, 2, 3), lambda outputs: outputs[:, 0, 0])


class Turned(torch.nn.Module):
    def forward(self, inputs):
        return inputs.transpose(0, 1)


# the bound


def test_no_plain_network_exceeds_the_bound():
    """A thousand random networks, in one batch of products: what `Bound` computes for one is held to these below."""
    generator = stream("test", "bound").generator()
    size, steps = 5, 8
    matrices = torch.from_numpy(
        generator.standard_normal((1000, size, size)) * generator.uniform(0.05, 1, (1000, 1, 1))
    )
    drive = torch.from_numpy(generator.standard_normal((steps, 1000, size)))
    largest = torch.linalg.matrix_norm(matrices, 2)
    for slope, f in ((1.0, torch.tanh), (0.25, torch.sigmoid), (1.0, torch.relu)):
        h = torch.zeros(1000, size, dtype=torch.float64)
        states = []
        for x in drive:
            h = (
                f(x + torch.einsum("ni,nij->nj", h, matrices)).requires_grad_()
                if not states
                else f(x + torch.einsum("ni,nij->nj", h, matrices))
            )
            h.retain_grad()
            states.append(h)
        h[:, 0].sum().backward()
        norms = torch.stack([state.grad.norm(dim=1) for state in states]).flip(0)
        lags = torch.arange(steps).unsqueeze(1)
        assert ((norms / norms[0] <= (slope * largest) ** lags * (1 + 1e-9)) | (norms[0] == 0)).all()


@pytest.mark.parametrize("nonlinearity", ["tanh", "sigmoid", "relu", "linear"])
def test_the_lens_finds_the_bound_kept(nonlinearity):
    tightest = []
    for seed in range(5):
        found = Bound().look(subject(f"rnn:nonlinearity={nonlinearity}", ADDING, seed=seed))
        if found.parts[STATE]["largest"][0]:  # some of the networks of ReLUs are dead
            assert found.numbers["excess"] <= 1e-9
            assert found.parts[STATE]["bound"][1] == pytest.approx(
                found.numbers["steepest"] * found.numbers["s_max"], rel=1e-5
            )
            tightest.append(found.parts[STATE]["largest"][1] / found.parts[STATE]["bound"][1])
    assert max(tightest) > 0.2, "near enough that a wrong bound is seen"


def test_the_sequence_with_the_largest_signal_is_held_to_the_bound():
    found = subject("rnn", ADDING)
    look = Bound().look(found)
    norms = norms_of(in_double(found), found.batches[0]).parts[STATE]
    of_each = (norms / norms[-1]).flip(0)
    assert of_each.max(1).values[1:].gt(of_each.median(1).values[1:] * (1 + 1e-3)).all()
    assert look.parts[STATE]["largest"] == pytest.approx(of_each.max(1).values.tolist(), rel=1e-5)
    nearest = max(s / bound for s, bound in zip(look.parts[STATE]["largest"], look.parts[STATE]["bound"], strict=True))
    assert look.numbers["excess"] == pytest.approx(nearest - 1, abs=1e-9)


def test_a_scaled_orthogonal_linear_network_reaches_the_bound():
    found = with_weights(subject("rnn:nonlinearity=linear", ADDING), recurrent_weight=SCALE * orthogonal(6))
    part = Bound().look(found).parts[STATE]
    assert part["largest"] == pytest.approx(part["bound"], rel=1e-9)
    assert abs(Bound().look(found).numbers["excess"]) < 1e-9


def test_the_bound_says_where_it_does_not_hold():
    for cell, more, why in (
        ("lstm", {}, "cell lstm has other equations"),
        ("transformer", {}, "runs whole sequences"),
        ("rnn", {"layers": 2}, "not 2 layers, forward"),
    ):
        with pytest.raises(UsageError, match=why):
            Bound().look(subject(cell, AGREEMENT, hidden_size=8, **more))
