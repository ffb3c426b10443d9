"""The contracts of networks and of what they are made of: each kind does what training, plans and checks ask of it."""

import ast
from pathlib import Path

import pytest
import torch

from longlag import registry
from longlag.cells.base import Cell
from longlag.cells.support import module_cell
from longlag.networks.build import network_for
from longlag.networks.work import Sequences
from longlag.regression.judge import invariants
from longlag.run.costs import cohort_size, expected_seconds
from longlag.values.seeding import stream
from longlag.values.trial import Trial
from longlag.values.wiring import Wiring

BENCH = Path(__file__).resolve().parent.parent / "bench"
MODULE = "torchrecurrent:cell=MGU"
WHOLE = ("transformer", "tcn", MODULE)
KINDS = {
    "cells, plain": ("gru", Wiring(2), 2),
    "cells, both ways": ("gru", Wiring(2, direction="bidirectional"), 4),
    "modules": (MODULE, Wiring(2), 0),
    "whole": ("tcn:kernel_size=2", Wiring(2), 0),
    "encoder and decoder": ("gru", Wiring(2, direction="bidirectional", decoder_cell="lstm", decoder_layers=1), 5),
}
TASK = registry.task("reverse:items=3,symbols=3")


@pytest.fixture(params=KINDS)
def kind(request):
    """Return a network of each kind, and how many scans it has."""
    spec, wiring, scans = KINDS[request.param]
    return network_for(registry.cell(spec), TASK, 8, wiring), scans


def row_of(network):
    return torch.from_numpy(network.initial_row(0))


# What the code may ask


def classes_of_networks():
    """Name every class of `networks/`, and the bases that a spec leads to."""
    trees = [ast.parse(path.read_text()) for path in (BENCH / "networks").glob("*.py")]
    named = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return named | {"Backbone", "Stackable", "Cell", "ModuleCell", "Architecture"}


def asked_in(path):
    """List the classes that a file tests objects for."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    tests = [call.args[1] for call in calls if getattr(call.func, "id", "") == "isinstance"]
    return {name.id for test in tests for name in ast.walk(test) if isinstance(name, ast.Name)}


def test_one_place_alone_knows_which_network_is_which():
    classes = classes_of_networks()
    asking = {path for path in BENCH.rglob("*.py") if asked_in(path) & classes}
    looking = set((BENCH / "lens").rglob("*.py"))  # they say of which networks there is anything to see
    assert asking - looking == {BENCH / "networks" / "build.py"}


def test_nothing_inherits_a_method_only_to_refuse_it():
    assert [path for path in BENCH.rglob("*.py") if "NotImplementedError" in path.read_text()] == []


@pytest.mark.parametrize("spec", WHOLE)
def test_what_runs_whole_sequences_has_no_step(spec):
    made = registry.cell(spec)
    assert not isinstance(made, Cell)
    assert [name for name in ("step", "recurrent_shapes", "gates", "states") if hasattr(made, name)] == []


# What is asked


def test_a_gradient_is_that_of_the_outputs(kind):
    network, _ = kind
    row, batch = row_of(network), TASK.draw(stream("test").generator(), 5)
    found = torch.zeros_like(row)
    loss = network.gradient(TASK, row, found, batch)
    leaf = row.clone().requires_grad_()
    expected = TASK.loss(network.outputs(network.layout.views(leaf), batch), batch)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(found, torch.autograd.grad(expected, leaf)[0], rtol=1e-9, atol=1e-12)
    assert found.abs().max() > 1e-3, "the comparison is of something"


def test_scans_hold_each_cells_own_tensors_as_views(kind):
    network, expected = kind
    row = torch.zeros(network.layout.row_size)
    scans = network.scans(network.layout.views(row))
    assert len(scans) == expected
    for cell, tensors in scans:
        assert tensors.keys() == cell.shapes(1, 8).keys()
        for tensor in tensors.values():
            tensor += 1
    beside = ("readout", "bridge", "network") if scans else ("readout", "network", "0", "1")  # no scan's
    for name, view in network.layout.views(row).items():
        assert (view == (0 if name.startswith(beside) else 1)).all(), name


def test_work_grows_with_what_is_read(kind):
    network, _ = kind
    short, long = (network.work(Sequences(length, 0.5, ends=2)) for length in (10, 20))
    assert [part.steps * 2 for part in short] == [part.steps for part in long]
    assert all(part.products > 0 for part in short)
    assert all(part.fused or part.calls or part.modules for part in short), "somebody runs it"


def test_what_a_module_costs_is_estimated_without_building_it(monkeypatch):
    def refuse(*_):
        raise AssertionError("a module is built")

    trial = Trial("adding", MODULE, "none", 0.1, 0, layers=2)
    monkeypatch.setattr(module_cell, "build", refuse)
    module_cell._template.cache_clear()
    assert expected_seconds(trial) > 0
    assert cohort_size(trial, 2**30, 8) == 8
    with pytest.raises(AssertionError, match="a module is built"):
        registry.cell(MODULE).shapes(1, 2)


@pytest.mark.parametrize(("spec", "reached"), [("tcn:kernel_size=2", 7), ("transformer", 40), ("gru", 40)])
def test_a_network_says_how_far_back_its_last_state_reaches(spec, reached):
    task = registry.task("adding:length=40")
    assert network_for(registry.cell(spec), task, 8, Wiring(2)).reach(40) == reached


@pytest.mark.parametrize("spec", WHOLE)
def test_what_states_no_number_of_parameters_is_still_seen_to_learn_with_all(spec):
    said = invariants.parameters_as_stated(Trial("adding:length=10", spec, "none", 0.1, 0, hidden_size=8))
    assert said == "a gradient reaches all parameters of the module, whose number is not documented"
