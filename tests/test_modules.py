"""What an ordinary module may hold: frozen and complex parameters, buffers, parametrizations, noise, embeddings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.checks.cells import check_cell
from longlag.networks.build import network_of
from longlag.plan.study import adhoc
from longlag.tasks.support.errors import UsageError
from longlag.training.cohort import Cohort, train

MODULE = """
import torch
from torch import nn
from torch.nn.utils import parametrizations

class Mine(nn.Module):
    {more}
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.RNN(input_size, hidden_size)
        {init}

    def forward(self, inputs, state):
        {read}
        outputs, state = self.inner(inputs, state)
        {forward}
        return outputs, state
"""
FROZEN = "self.inner.weight_hh_l0.requires_grad_(False); self.register_buffer('scale', torch.rand(hidden_size))"
COMPLEX = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.turn = nn.Parameter(0.9 * torch.exp(6.28j * torch.rand(hidden_size)))
        self.into = nn.Parameter(torch.randn(hidden_size, input_size, dtype=torch.cfloat) / input_size**0.5)

    def forward(self, inputs, state):
        h = torch.zeros(inputs.shape[1], len(self.turn), dtype=self.turn.dtype) if state is None else state
        outputs = []
        for x in inputs:
            h = self.turn * h + x.to(self.into.dtype) @ self.into.T
            outputs.append(h.real + 0.5 * h.imag)
        return torch.stack(outputs), h
"""


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.fixture
def used(tmp_path: Path):
    def of(init="pass", forward="pass", more="", read="pass", text=MODULE):
        path = tmp_path / "mine.py"
        path.write_text(text.format(init=init, forward=forward, more=more, read=read) if text is MODULE else text)
        registry.use([path])

    return of


def trials(**changes):
    small = {"task": "copy:items=1,symbols=2,blanks=1", "updates": 4, "eval_every": 2, "hidden_size": 5}
    return adhoc(**small | {"cell": "mine", "seeds": 2, "batch_size": 3, "lr": 0.1} | changes).trials()


def results(chosen):
    found = []
    train(chosen, found.append)
    return {one.trial.key: one for one in found}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd:momentum=0.9", "muon"])
def test_frozen_parameters_and_buffers_stay_as_drawn_and_follow_the_seed(used, optimizer) -> None:
    used(FROZEN, "outputs = outputs * self.scale")
    chosen = trials(optimizer=optimizer, weight_decay=0.1, weight_noise=0.01)
    cohort = Cohort(chosen, {})
    names = {"0.inner.weight_hh_l0", "0.scale"}
    assert cohort.network.frozen == names
    before, layout = cohort.parameters.clone(), cohort.network.layout
    cohort.step()
    cohort.step()
    read = cohort.weights_read
    for slot in layout.slots:
        moved = (slot.view(cohort.parameters[0]) != slot.view(before[0])).any()
        assert moved == (slot.name not in names), slot.name
        if slot.name in names:
            assert (slot.view(cohort.gradients[0]) == 0).all()
            assert torch.equal(slot.view(read[0]), slot.view(before[0]))
            assert (slot.view(before[0]) != slot.view(before[1])).any(), "another seed, other numbers"
    assert cohort.network.num_frozen == 5 * 5 + 5
    assert cohort.network.num_parameters == 5 * 4 + 2 * 5 + (5 + 1) * 2


def test_frozen_numbers_are_counted_apart_in_the_row(used) -> None:
    used(FROZEN, "outputs = outputs * self.scale")
    (found,) = results(trials(seeds=1)).values()
    assert (found.num_parameters, found.num_frozen) == (42, 30)
    used()
    (found,) = results(trials(seeds=1)).values()
    assert (found.num_parameters, found.num_frozen) == (67, None)


def test_whole_numbers_of_a_buffer_come_back_as_they_were(used) -> None:
    used("self.register_buffer('order', torch.randperm(hidden_size))", "outputs = outputs[..., self.order]")
    network = network_of(trials()[0])
    rows = [network.layout.arrays(network.initial_row(seed))["0.order"] for seed in (0, 1)]
    assert sorted(rows[0]) == list(range(5))
    assert (rows[0] != rows[1]).any()
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    assert network.states(views, torch.ones(2, 3, 4).double()).shape == (2, 3, 5)


def test_complex_parameters_are_pairs_of_real_ones(used) -> None:
    used(text=COMPLEX)
    network = network_of(trials(seeds=1)[0])
    assert {slot.name: slot.shape for slot in network.layout.slots}["0.turn"] == (5, 2)
    assert network.state_size == 10
    row = torch.from_numpy(network.initial_row(0))
    views = network.layout.views(row)
    own = {name[2:]: torch.view_as_complex(view) for name, view in views.items() if name.startswith("0.")}
    inputs = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(2, 3, 4)
    torch.testing.assert_close(own["turn"].abs(), torch.full((5,), 0.9, dtype=torch.float64))  # as it was drawn
    theirs, _ = torch.func.functional_call(registry.cell("mine").module(4, 5), own, (inputs, None))
    torch.testing.assert_close(network.states(views, inputs), theirs)
    (found,) = results(trials(seeds=1)).values()
    assert found.measurements[-1].loss < found.measurements[0].loss


@pytest.mark.parametrize(
    "init",
    [
        "parametrizations.orthogonal(self.inner, 'weight_hh_l0')",
        "self.after = parametrizations.weight_norm(nn.Linear(hidden_size, hidden_size))",
    ],
)
def test_parametrizations_train(used, init) -> None:
    used(init, "outputs = self.after(outputs)" if "after" in init else "pass")
    cohort = Cohort(trials(seeds=1), {})
    before = cohort.parameters.clone()
    cohort.step()
    for slot in cohort.network.layout.slots:
        moved = bool((slot.view(cohort.parameters[0]) != slot.view(before[0])).any())
        assert moved == (slot.name not in cohort.network.frozen), slot.name


@pytest.mark.parametrize(
    ("init", "forward", "said"),
    [
        (
            "self.norm = nn.BatchNorm1d(hidden_size)",
            "outputs = self.norm(outputs.mT).mT",
            "'norm.running_mean' changes",
        ),
        ("self.inner = parametrizations.spectral_norm(self.inner, 'weight_hh_l0')", "pass", "changes when the module"),
        (
            "self.kept = torch.rand(hidden_size)",
            "outputs = outputs * self.kept",
            "'kept', a plain attribute made of ra",
        ),
        ("self.kept = {'a': [torch.rand(1).item()]}", "pass", r"\"kept\['a'\]\[0\]\", a plain attribute"),
        (
            "self.register_buffer('runs', torch.zeros(1))",
            "raise KeyError('party')",
            r"raises on inputs \(3, 4, 16\): KeyError: 'party' \(line 16 of mine.py\); it must run, so",
        ),
        ("self.register_buffer('big', torch.tensor([2**25 + 1]))", "pass", r"'big' has numbers above 2\^24"),
    ],
)
def test_what_trials_would_share_is_refused(used, init, forward, said) -> None:
    with pytest.raises(UsageError, match=said):
        used(init, forward)


def test_a_constant_attribute_is_admitted(used) -> None:
    used(
        "self.steps = torch.arange(hidden_size); self.rate = 0.5; self.names = ['a']", "outputs = outputs * self.steps"
    )
    assert registry.cell("mine").count(4, 5) == 55


def test_dropout_of_a_module_is_the_trials_own_in_training_and_off_in_evaluation(used) -> None:
    used("self.drop = nn.Dropout(0.5)", "outputs = self.drop(outputs)")
    state = torch.get_rng_state()
    chosen = trials(clip=("none", "norm:0.1"))
    together = results(chosen)
    assert torch.equal(state, torch.get_rng_state())
    for trial in (chosen[0], chosen[-1]):
        assert results([trial])[trial.key].measurements == together[trial.key].measurements
    cohort = Cohort(chosen[:1], {})
    network, views = cohort.network, cohort.network.layout.views(cohort.parameters[0])
    inputs = torch.ones(3, 2, 4)
    evaluated = network.states(views, inputs)
    drawn = [network.states(views, inputs, noise=cohort.draws.noises[0].generator(update)) for update in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0] == 0).any()
    assert torch.equal(evaluated, network.states(views, inputs))
    assert not (evaluated == 0).any()


def test_layers_drop_each_their_own_and_leave_dropout_between_them_alone(used) -> None:
    used("self.drop = nn.Dropout(0.5)", "outputs = self.drop(outputs)")
    cohort = Cohort(trials(layers=2, seeds=1, dropout=0.5), {})
    noise = cohort.draws.noises[0].generator(1)
    before = noise.bit_generator.state["state"]["counter"].copy()
    views = cohort.network.layout.views(cohort.parameters[0])
    cohort.network.states(views, torch.ones(3, 2, 4), noise=noise)
    fresh = cohort.draws.noises[0].generator(1)
    assert (fresh.bit_generator.state["state"]["counter"] == before).all()
    fresh.random((3, 2, 5), dtype=np.float32)
    assert noise.random() == fresh.random(), "as much was drawn as dropout between layers takes"


def test_a_module_with_an_embedding_reads_tokens(used) -> None:
    used("self.embed = nn.Embedding(input_size, input_size)", read="inputs = self.embed(inputs)", more="tokens = True")
    (found,) = results(trials(seeds=1)).values()
    assert found.num_parameters == 4 * 4 + 67
    broken = [one.line for one in check_cell("mine", timed=False) if not one.ok]
    assert broken == []
    with pytest.raises(UsageError, match=r"cell mine reads tokens .*but the inputs of this task are vectors"):
        trials(task="adding:length=4")
    with pytest.raises(UsageError, match="but a layer below it gives vectors: layers must be 1"):
        trials(layers=2)


def test_an_embedding_in_a_module_that_is_given_vectors_is_told_the_line_it_lacks(used) -> None:
    used("self.embed = nn.Embedding(input_size, input_size)", read="inputs = self.embed(inputs)")
    with pytest.raises(TypeError, match=r"Mine was given vectors .*its class needs the line `tokens = True`"):
        results(trials(seeds=1))


def test_a_module_that_seeds_itself_breaks_a_rule_though_its_readout_follows_the_seed(used) -> None:
    used("torch.manual_seed(42); self.inner = nn.RNN(input_size, hidden_size)")
    (found,) = [one for one in check_cell("mine", timed=False) if one.rule == "determinism"]
    assert (found.ok, found.detail) == (False, "every seed gives the same initial weights, except the readout's")


def test_all_rules_are_kept_by_a_module_with_frozen_parameters(used) -> None:
    used(FROZEN, "outputs = outputs * self.scale")
    found = {one.rule: one for one in check_cell("mine", timed=False)}
    assert {rule for rule, one in found.items() if not one.ok} == set()
    assert found["counts"].detail.endswith("numbers, 4160 frozen")


def test_match_counts_what_is_trained(used) -> None:
    used(FROZEN, "outputs = outputs * self.scale")
    network = network_of(replace(trials(seeds=1)[0], hidden_size=8))
    assert network.layout.num_parameters - network.num_parameters == 8 * 8 + 8
