"""Spectrum, Lyapunov exponents, sensitivity, gates, erasure: closed forms, and independent ways to the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lens_samples import ADDING, AGREEMENT, COPY, every_cell, orthogonal, subject, with_weights

from longlag import registry
from longlag.lens import lyapunov
from longlag.lens.erasure import Erasure, redrawn
from longlag.lens.gates import Gates, gates_along
from longlag.lens.lyapunov import Lyapunov, exponents
from longlag.lens.sensitivity import Sensitivity
from longlag.lens.spectrum import Spectrum
from longlag.networks.recurrent import Network
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream

SCALE = 0.8
LINEAR = "rnn:nonlinearity=linear"


def normal(*shape):
    return torch.from_numpy(stream("test", "lens").generator().standard_normal(shape))


def matrices(found):
    return Spectrum().look(found).parts["matrices"]


def test_the_spectrum_of_a_scaled_rotation_is_a_circle():
    found = with_weights(subject(LINEAR), recurrent_weight=SCALE * orthogonal(6))
    table = matrices(found)
    for name in ("s_max", "s_min", "radius"):
        assert table[name] == pytest.approx([SCALE])
    assert table["departure"] == [0.0]
    plane = Spectrum().look(found).parts["eigenvalues"]
    assert np.hypot(plane["real"], plane["imaginary"]) == pytest.approx([SCALE] * 6)


def test_a_matrix_that_is_not_normal_departs_and_its_eigenvalues_do_not_say_so():
    shift = torch.diag(torch.ones(5), 1)
    table = matrices(with_weights(subject("rnn"), recurrent_weight=shift))
    assert table["radius"] == pytest.approx([0.0], abs=1e-6)
    assert (table["s_max"], table["departure"]) == ([1.0], [1.0])


def test_every_gate_has_its_matrix():
    found = subject("lstm", layers=2)
    table = matrices(found)
    assert table["matrix"] == [
        f"{layer}.{gate}" for layer in (0, 1) for gate in ("input", "forget", "candidate", "output")
    ]
    whole = found.network.layout.views(found.row)["1.recurrent_weight"]
    expected = [float(np.linalg.svd(whole[:, 6 * k : 6 * k + 6].numpy())[1][0]) for k in range(4)]
    assert table["s_max"][4:] == pytest.approx(expected, rel=1e-5)


def test_matrices_are_those_that_steps_use():
    assert matrices(subject("exprnn", hidden_size=8))["s_min"] == pytest.approx([1.0], rel=1e-6)
    diagonal = subject("indrnn")
    weights = found_weights(diagonal)["recurrent_weight"]
    assert matrices(diagonal)["radius"] == pytest.approx([float(weights.abs().max())], rel=1e-5)
    for cell in every_cell():
        found = subject(cell, hidden_size=8)
        if not Spectrum().refusal(found):
            assert all(value is not None and value >= 0 for value in matrices(found)["s_max"]), cell
        else:
            with pytest.raises(UsageError, match="lens spectrum: "):
                Spectrum().look(found)


def found_weights(found):
    (weights,) = found.network.by_scan(found.network.layout.views(found.row))
    return weights


def test_exponents_of_a_scaled_rotation_are_exact():
    found = with_weights(subject(LINEAR, ADDING), recurrent_weight=SCALE * orthogonal(6))
    for steps in (1, 2, 9):
        inputs = found.batches[0].inputs[:steps]
        np.testing.assert_allclose(
            exponents(found.network.cell, found_weights(found), inputs), np.log(SCALE), rtol=1e-12
        )
    table = Lyapunov().look(found).parts["exponents"]
    assert table["exponent"] == pytest.approx([np.log(SCALE)] * 6, rel=1e-5)


def test_exponents_add_up_to_the_determinant_and_end_at_the_eigenvalues():
    matrix = torch.diag(torch.tensor([1.3, 1.1, 0.9, 0.6, 0.4, 0.2], dtype=torch.float64)) + 0.2 * normal(6, 6).triu(1)
    found = with_weights(subject(LINEAR, ADDING), recurrent_weight=matrix)
    weights, cell = found_weights(found), found.network.cell
    short = exponents(cell, weights, found.batches[0].inputs[:, :2], dropped=0)
    np.testing.assert_allclose(short.sum(1), float(torch.linalg.slogdet(matrix)[1]), rtol=1e-12)
    long = exponents(cell, weights, torch.zeros(400, 1, 2, dtype=torch.float64), dropped=200)
    np.testing.assert_allclose(long[0], np.log([1.3, 1.1, 0.9, 0.6, 0.4, 0.2]), rtol=1e-6)


def test_the_first_direction_stretches_as_finite_differences_do(monkeypatch):
    """The largest of one exponent is |J_T ... J_1 e_1|: two runs from states that are a hair apart, for every cell."""
    monkeypatch.setattr(lyapunov, "MOST", 1)
    step = 1e-6
    for name in every_cell():
        found = subject(name, ADDING, sequences=2, hidden_size=8)
        if not isinstance(found.network, Network):
            continue
        cell, weights = found.network.cell, found_weights(found)
        inputs = found.batches[0].inputs[:4]
        measured = exponents(cell, weights, inputs, dropped=0)[:, 0] * 4
        projected, prepared = cell.project(inputs, weights), cell.prepare(weights)
        ends = []
        for sign in (1, -1):
            state = cell.start(2, 8, projected)
            state[0].view(2, -1)[:, 0] += sign * step
            for one in projected:
                state = cell.step(one, state, prepared)
            ends.append(torch.cat([part.flatten(1) for part in state], 1))
        apart = ((ends[0] - ends[1]) / (2 * step)).norm(dim=1)
        if bool((apart > 1e-8).all()):
            np.testing.assert_allclose(measured, apart.log().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_sensitivity_of_one_unit_is_that_of_autograd():
    for cell in (LINEAR, "gru", "lstm"):
        found = subject(cell, ADDING, sequences=1, hidden_size=1)
        views = {name: view.clone().requires_grad_() for name, view in found.network.layout.views(found.row).items()}
        states = found.network.states(views, found.batches[0].inputs)
        names = [f"0.{name}" for name in found.network.cell.recurrent_shapes(1)]
        exact = torch.autograd.grad(states[-1, 0, 0], [views[name] for name in names])
        whole = sum(float(part.square().sum()) for part in exact) ** 0.5
        assert Sensitivity().look(found).parts["recurrent"]["sensitivity"][-1] == pytest.approx(whole, rel=1e-5), cell


def test_sensitivity_adds_up_steps_by_hand():
    found = subject(LINEAR, ADDING, sequences=1, hidden_size=1)
    found = with_weights(found, recurrent_weight=SCALE, bias=0.0, input_weight=torch.tensor([[1.0], [0.0]]))
    h, before = 0.0, []
    for value in found.batches[0].inputs[:, 0, 0].tolist():
        before.append(h)
        h = value + SCALE * h
    parts = np.array([SCALE**lag * before[8 - lag] for lag in range(9)])
    assert Sensitivity().look(found).parts["recurrent"]["sensitivity"] == pytest.approx(
        np.abs(parts.cumsum()), rel=1e-5
    )


def test_sensitivity_grows_with_memory_though_the_signal_is_flat():
    short, long = (
        Sensitivity().look(subject(LINEAR + ",init=orthogonal", f"adding:length={length}")).numbers["whole"]
        for length in (9, 40)
    )
    assert long > 2 * short


def test_gates_are_those_of_the_step():
    """With no candidate, an LSTM's c becomes f c and h becomes o tanh(f c), and a GRU's h becomes z h."""
    options = (
        "",
        ":peepholes=true",
        ":coupled=true",
        ":diagonal=true",
        ":forget_gate=false",
        ":coupled=true,peepholes=true",
    )
    for option in options:
        cell = registry.cell(f"lstm{option}")
        weights, projected, (h, c) = drawn(cell)
        gates = cell.gate_values(projected, (h, c), weights)
        place = list(cell.gate_widths(4)).index("candidate")
        projected[:, 4 * place : 4 * place + 4] = 0
        weights["recurrent_weight"][..., 4 * place : 4 * place + 4] = 0
        after_h, after_c = cell.step(projected, (h, c), weights)
        kept = c * gates["forget"] if "forget" in gates else c
        torch.testing.assert_close(after_c, kept)
        if not cell.peepholes:  # else the output gate saw another c
            torch.testing.assert_close(after_h, gates["output"] * torch.tanh(kept))
        assert ("input" in gates) is True
    for option in ("", ":reset=before", ":diagonal=true"):
        cell = registry.cell(f"gru{option}")
        weights, projected, (h,) = drawn(cell)
        projected[:, 8:] = 0
        weights["recurrent_weight"][..., 8:] = 0
        if "candidate_bias" in weights:
            weights["candidate_bias"].zero_()
        gates = cell.gate_values(projected, (h,), weights)
        torch.testing.assert_close(cell.step(projected, (h,), weights)[0], gates["update"] * h)


def drawn(cell):
    values = cell.initial_weights(3, 4, "test")
    weights = {name: torch.from_numpy(value) for name, value in values.items()}
    generator = stream("test", "gates").generator()
    width = sum(cell.gate_widths(4).values())
    state = tuple(torch.from_numpy(generator.standard_normal((5, 4))) for _ in cell.states)
    return weights, torch.from_numpy(generator.standard_normal((5, width))), state


def test_memory_is_that_of_a_gate_held_at_one_place():
    for cell, gates, name in (("lstm", 4, "forget"), ("gru", 3, "update")):
        found = subject(cell, COPY)
        bias = torch.zeros(6 * gates)
        bias[6:12] = torch.arange(6.0)
        held = with_weights(found, recurrent_weight=0.0, input_weight=0.0, bias=bias)
        frame = Gates().look(held)
        values = torch.sigmoid(torch.arange(6.0, dtype=torch.float64))
        rows = [row for row, gate in enumerate(frame.parts["units"]["gate"]) if gate == name]
        memory = [frame.parts["units"]["memory"][row] for row in rows]
        assert memory == pytest.approx((-1 / values.log()).tolist(), rel=1e-4)
        assert [frame.parts["units"]["open"][row] for row in rows] == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
        assert frame.numbers["memory_longest"] == pytest.approx(memory[-1], rel=1e-5)
        assert frame.numbers[f"{name}_carried"] == pytest.approx(frame.numbers[f"{name}_elsewhere"], rel=1e-5)


def test_gates_by_symbol_and_in_a_trace_are_those_of_the_sequences():
    found = subject("gru", COPY)
    gates = gates_along(found.network.cell, found_weights(found), found.batches[0].inputs)
    frame = Gates().look(found)
    symbols, tokens = frame.parts["symbols"], found.batches[0].inputs
    row = symbols["gate"].index("update") + 1
    here = tokens == symbols["symbol"][row]
    assert symbols["n"][row] == int(here.sum())
    assert symbols["mean"][row] == pytest.approx(float(gates["update"][here].mean()), rel=1e-4)
    trace = frame.parts["trace"]
    assert trace["update_gate"][:6] == pytest.approx(gates["update"][0, 0].tolist(), rel=1e-2)
    names = found.task.token_names
    first = int(tokens[0, 0])
    assert trace["read"][0] == (names[first] if names else str(first))
    shares = frame.parts["histogram"]["share"]
    assert sum(shares) == pytest.approx(len(gates), rel=1e-4)


def test_a_network_without_gates_is_one_line():
    for cell, more, why in (
        ("rnn", {}, "lens gates: cell rnn reports no gates"),
        ("transformer", {}, "lens gates: it needs the steps of a cell"),
        ("gru", {"layers": 2}, "lens gates: gates are shown for one layer in one direction, not for 2 layers, forward"),
    ):
        with pytest.raises(UsageError, match=why):
            Gates().look(subject(cell, hidden_size=8, **more))


def test_only_what_is_heard_is_missed():
    for task in (COPY, ADDING):
        found = subject("rnn", task, hidden_size=16)
        loud = 3 * normal(*found.network.layout.views(found.row)["0.input_weight"].shape)
        found = with_weights(found, input_weight=loud)
        deaf = with_weights(found, recurrent_weight=0.0)
        table = Erasure().look(deaf).parts["answer"]
        for kind in ("carried", "others"):
            assert all(value in (0.0, None) for value in table[kind][1:]), task
        silent = Erasure().look(with_weights(found, input_weight=0.0)).numbers
        assert all(silent[kind] in (0.0, None) for kind in ("carried", "others"))
        whole = Erasure().look(found).parts["answer"]
        if task == ADDING:  # whose output is a number, and moves with whatever is heard
            assert whole["carried"][0] > 0
            assert whole["others"][1] > 0


def test_the_change_of_the_right_answer_stands_beside_that_of_the_answer():
    table = (
        Erasure().look(subject("rnn", COPY)).parts["answer"]
    )  # two items: the last answer is the second, 5 steps back
    by_lag = dict(zip(table["lag"], table["carried_target"], strict=True))
    assert by_lag == {0: None, 1: None, 2: None, 3: None, 4: None, 5: 1.0, 6: 0.0}
    found = subject("rnn", ADDING)
    batch, steps = found.batches[0], len(found.batches[0].mask)
    table = Erasure().look(found).parts["answer"]
    assert set(table["others_target"]) <= {0.0, None}
    for lag in (1, steps - 2):
        at = batch.inputs[steps - 1 - lag, :, 1] > 0
        changed, _ = redrawn(batch, found.task.carried(batch), torch.full((len(at),), steps - 1 - lag), lag)
        moved = (changed.inputs - batch.inputs)[steps - 1 - lag, :, 0].abs()
        assert table["carried_target"][lag] == pytest.approx(float(moved[at].mean()), rel=1e-5)
    agreement = Erasure().look(subject("rnn", AGREEMENT))
    assert agreement.numbers["carried_target"] is None


def test_the_mean_over_lags_weighs_every_changed_sequence_alike():
    found = subject("rnn", "adding:length=9")
    answer = Erasure().look(found)
    table, numbers = answer.parts["answer"], answer.numbers
    for kind in ("carried", "others"):
        assert len(set(table[f"{kind}_n"])) > 1, "lags differ in how many sequences they change"
        every = [value for n, value in zip(table[f"{kind}_n"], table[kind], strict=True) for _ in range(n)]
        assert numbers[kind] == pytest.approx(np.mean(every), rel=1e-4)


def test_a_symbol_that_is_carried_becomes_one_that_others_carry_from_that_step():
    found = subject("rnn", "mod_arithmetic:digits=4")  # digits and operators, in turn
    batch = found.batches[0]
    last = torch.full((64,), len(batch.mask) - 1)
    for lag in range(len(batch.mask)):
        changed, moved = redrawn(batch, found.task.carried(batch), last - lag, lag)
        assert moved.all()
        assert ((changed.inputs < found.task.modulus) == (batch.inputs < found.task.modulus)).all()


def test_redrawing_changes_one_step_and_leaves_markers():
    for task in (COPY, ADDING, AGREEMENT):
        found = subject("rnn", task)
        batch = found.batches[0]
        carried = found.task.carried(batch)
        last = torch.full((64,), len(batch.mask) - 1)
        changed, moved = redrawn(batch, carried, last - 3, 3)
        differs = (
            (changed.inputs != batch.inputs).flatten(2).any(2)
            if batch.inputs.ndim == 3
            else (changed.inputs != batch.inputs)
        )
        assert not differs[torch.arange(len(differs)) != int(last[0]) - 3].any()
        assert differs[int(last[0]) - 3].equal(moved)
        if task == ADDING:
            assert moved.all()
            torch.testing.assert_close(changed.inputs[..., 1], batch.inputs[..., 1])
        if task == COPY:
            step = int(carried[:, 0].nonzero()[0])
            symbols = set(batch.inputs[carried].tolist())
            turned, _ = redrawn(batch, carried, torch.full((64,), step), 0)
            assert set(turned.inputs[step].tolist()) <= symbols
    outside, moved = redrawn(batch, carried, torch.full((64,), -1), 0)
    assert not moved.any()
    assert torch.equal(outside.inputs, batch.inputs)


def test_a_decoder_is_refused_by_erasure():
    found = subject("gru", "reverse:items=3,symbols=4", decoder_cell="gru", decoder_layers=1)
    with pytest.raises(UsageError, match="depends on the answers that it wrote before"):
        Erasure().look(found)


def test_lenses_leave_the_parameters_alone():
    found = subject("gru", ADDING)
    before = found.row.clone()
    for lens in (Spectrum(), Lyapunov(), Sensitivity(), Gates(), Erasure()):
        again = [lens.look(found), lens.look(replace(found))]
        assert again[0] == again[1]
    assert torch.equal(found.row, before)
