"""What each cell starts from."""

import math

import numpy as np
import pytest
import torch

from longlag import registry


def weights_of(spec, inputs=10, hidden=100):
    cell = registry.cell(spec)
    values = cell.initial_weights(inputs, hidden, "test", 0)
    widths = cell.gate_widths(hidden)
    ends = np.cumsum(list(widths.values()))
    biases = np.split(values["bias"], ends[:-1]) if cell.biased else ()
    return values, dict(zip(widths, biases, strict=cell.biased))


def test_scale_multiplies_the_recurrent_weights_as_they_were_drawn():
    for init in ("orthogonal", "identity"):
        matrix = weights_of(f"rnn:init={init},scale=0.8")[0]["recurrent_weight"]
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(matrix)), 0.8, rtol=1e-9)
    bound = weights_of("rnn")[0]["recurrent_weight"], weights_of("rnn:scale=2")[0]["recurrent_weight"]
    assert np.abs(bound[1]).max() == pytest.approx(2 * np.abs(bound[0]).max(), rel=0.01)
    names = ("input_weight", "bias")
    assert all(
        weights_of("rnn:scale=2")[0][name].std() == pytest.approx(weights_of("rnn")[0][name].std(), rel=0.2)
        for name in names
    )


def test_gaussian_weights_have_the_deviation_asked_for_and_no_bias():
    values, _ = weights_of("rnn:init=gaussian,std=0.3")
    for name in ("input_weight", "recurrent_weight"):
        assert values[name].std() == pytest.approx(0.3, rel=0.1)
    assert (values["bias"] == 0).all()
    assert weights_of("rnn:init=gaussian")[0]["recurrent_weight"].std() == pytest.approx(0.1, rel=0.05)


def test_pascanus_weights_have_fifteen_nonzeros_a_unit_and_their_radius():
    values, _ = weights_of("rnn:init=pascanu")
    matrix = values["recurrent_weight"]
    assert ((matrix != 0).sum(0) == 15).all(), "into each unit: states @ weight"
    assert not ((matrix != 0).sum(1) == 15).all()
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(0.95)


@pytest.mark.parametrize("more", ["", ",coupled=true", ",diagonal=true"])
def test_chrono_biases_are_the_log_of_times_up_to_the_span(more):
    _, bias = weights_of(f"lstm:init=chrono,span=40{more}", hidden=1000)
    times = np.exp(bias["forget"])
    assert times.min() == pytest.approx(1, abs=0.3)
    assert times.max() == pytest.approx(39, abs=0.5)
    assert times.mean() == pytest.approx(20, rel=0.1)
    assert "input" not in bias or (bias["input"] == -bias["forget"]).all()
    assert (np.abs(bias["output"]) <= 1000**-0.5).all()


def test_the_update_gate_of_a_gru_starts_at_its_chrono_bias_or_at_what_is_added_to_the_drawn_one():
    (_, drawn), (_, raised), (_, chrono) = (
        weights_of(f"gru{options}", hidden=1000) for options in ("", ":update_bias=3", ":init=chrono,span=40")
    )
    assert (raised.pop("update") == drawn.pop("update") + 3).all()
    times = np.exp(chrono.pop("update"))
    assert times.min() == pytest.approx(1, abs=0.3)
    assert times.max() == pytest.approx(39, abs=0.5)
    assert times.mean() == pytest.approx(20, rel=0.1)
    for other in (raised, chrono):
        assert all((other[gate] == drawn[gate]).all() for gate in ("reset", "candidate"))


@pytest.mark.parametrize(("spec", "gate", "value"), [
    ("lstm:coupled=true", "forget", 1), ("lstm:peepholes=true,forget_bias=3", "forget", 3), ("rhn", "transform", -2),
    ("ugrnn", "update", 1), ("janet:forget_bias=2", "forget", 2), ("minlstm", "forget", 1), ("slstm", "forget", 1),
    ("mlstm", "forget", 3), ("mlstm:key_size=1,forget_bias=-2", "forget", -2), ("lstm:diagonal=true", "forget", 1),
])  # fmt: skip
def test_only_the_gate_meant_starts_with_its_bias(spec, gate, value):
    _, bias = weights_of(spec)
    assert (bias.pop(gate) == value).all()
    assert all((np.abs(other) <= 0.1).all() and (other != 0).all() for other in bias.values())


def test_options_that_only_concern_other_weights_keep_the_default_ones():
    for one, other in [("lstm", "lstm:forget_bias=5"), ("rnn", "rnn:init=pascanu"), ("janet", "janet:init=chrono")]:
        assert (weights_of(one)[0]["input_weight"] == weights_of(other)[0]["input_weight"]).all()


def test_linear_recurrent_units_start_on_the_ring_asked_for():
    values, _ = weights_of("lru:r_min=0.9,r_max=0.99,max_phase=0.3", hidden=500)
    radius, phase = np.exp(-np.exp(values["nu"])), np.exp(values["theta"])
    assert 0.9 <= radius.min() < radius.max() <= 0.99
    assert 0 <= phase.min() < phase.max() <= 0.3
    np.testing.assert_allclose(np.exp(values["gamma"]), np.sqrt(1 - radius**2))
    assert np.isfinite(weights_of("lru")[0]["nu"]).all()


def test_selective_steps_start_between_a_thousandth_and_a_tenth():
    values, _ = weights_of("selective", hidden=500)
    steps = np.log1p(np.exp(values["step_bias"]))
    assert 0.001 <= steps.min() < 0.002
    assert 0.05 < steps.max() <= 0.1
    assert (np.exp(values["a"])[:, 7].round(9) == np.arange(1, 17)).all()


def test_heads_of_mamba2_start_with_steps_and_rates_in_the_papers_ranges():
    values, _ = weights_of("mamba2:heads=500", hidden=1000)
    steps, rates = np.log1p(np.exp(values["offset"])), np.exp(values["rate"])
    assert 0.001 <= steps.min() < 0.002
    assert 0.05 < steps.max() <= 0.1
    assert 1 <= rates.min() < 1.2
    assert 15.8 < rates.max() <= 16


def test_rows_of_the_memory_of_rwkv7_start_with_decays_from_slow_to_fast():
    values, _ = weights_of("rwkv7:key_size=9")
    decays = np.exp(-np.exp(-0.5) / (1 + np.exp(-values["decay_start"])))
    assert decays[[0, -1]] == pytest.approx([0.9991, 0.8952], abs=1e-4)
    assert (np.diff(decays) < 0).all()
    assert (values["rate_start"] == 0).all(), "an in-context learning rate of one half"


@pytest.mark.parametrize("hidden", [1, 2, 5, 8])
@pytest.mark.parametrize("spec", ["exprnn", "exprnn:init=cayley", "scornn"])
def test_orthogonal_cells_start_with_rotations_of_planes(spec, hidden):
    cell = registry.cell(spec)
    values = cell.initial_weights(3, hidden, "test", 0)
    matrix = cell.prepare({name: torch.from_numpy(value) for name, value in values.items()})["orthogonal"].numpy()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(hidden), atol=1e-12)
    inside = np.kron(np.eye(-(-hidden // 2)), np.ones((2, 2)))[:hidden, :hidden] > 0
    np.testing.assert_allclose(matrix[~inside], 0, atol=1e-12)
    assert hidden < 2 or (np.abs(np.diag(matrix)[:2]) < 1).all()


def test_henaffs_angles_fill_the_circle_and_cayleys_a_quarter():
    def cosines(spec):
        cell = registry.cell(spec)
        values = cell.initial_weights(3, 400, "test", 0)
        matrix = cell.prepare({name: torch.from_numpy(value) for name, value in values.items()})["orthogonal"]
        return matrix.diagonal()[::2].numpy()

    assert cosines("exprnn").min() < -0.99
    assert cosines("exprnn").max() > 0.99
    signs = np.where(np.arange(400) < 200, -1, 1)[::2]
    turned = cosines("scornn") * signs
    assert turned.min() > -1e-9
    assert turned.max() == pytest.approx(1, abs=0.01)
    assert math.isclose(turned.mean(), 2 / math.pi, abs_tol=0.05)
