"""The library's cells: which there are, that they train and keep the contract, and what is said without the library."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import torchrecurrent
from click.testing import CliRunner

from longlag import registry
from longlag.cells import torchrecurrent as adapter
from longlag.checks.cells import check_cell
from longlag.cli import main
from longlag.networks.module_network import ModuleNetwork
from longlag.plan.study import adhoc
from longlag.scans.run import run_layer
from longlag.tasks.support.errors import UsageError
from longlag.training import evaluation
from longlag.training.cohort import train
from longlag.values.seeding import stream
from longlag.values.trial import Trial

pytestmark = pytest.mark.usefixtures("nothing_drawn")

BASE = Trial("adding:length=6", "", "norm:1", 0.01, 0, hidden_size=6, batch_size=4, updates=4, eval_every=4)
CHECKED = ["JANET", "PeepholeLSTM", "SCRN", "coRNN"]
"""One of each way to hold a state; all forty take minutes."""


@pytest.fixture
def without_the_library(monkeypatch):
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    registry.cell.cache_clear()
    yield
    registry.cell.cache_clear()


def layers_of_the_library():
    found = vars(torchrecurrent)
    return {name for name in found if f"{name}Cell" in found}


def test_every_cell_of_the_library_is_offered_or_refused_with_a_reason():
    assert {*adapter.NAMES, *adapter.REFUSED} == layers_of_the_library()
    assert len(adapter.NAMES) == 40


@pytest.mark.parametrize("name", adapter.NAMES)
def test_every_cell_trains_a_few_updates_of_a_finite_loss(name, monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 20)
    finished = []
    train([replace(BASE, cell=f"torchrecurrent:cell={name}")], finished.append)
    (result,) = finished
    assert result.status.is_result
    assert result.reason is None
    assert result.measurements[-1].loss < 100
    assert result.measurements[-1].parameter_norm != result.measurements[0].parameter_norm


@pytest.mark.parametrize("name", CHECKED)
def test_cells_keep_the_contract(name):
    found = check_cell(f"torchrecurrent:cell={name}", timed=False)
    assert [finding.line for finding in found if not finding.ok] == []


@pytest.mark.parametrize("name", adapter.REFUSED)
def test_cells_that_cannot_run_are_refused_by_name(name):
    with pytest.raises(UsageError, match=f"{name} cannot run here: {adapter.REFUSED[name]}"):
        registry.cell(f"torchrecurrent:cell={name}")


def test_the_reason_for_refusing_holds():
    with pytest.raises(ValueError, match="input_size == hidden_size"):
        torchrecurrent.IntersectionRNN(2, 6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("JANETT", "must be one of .*not 'JANETT'; did you mean JANET?"),
        ("janet", "no cell is called 'janet'; did you mean JANET?"),
    ],
)
def test_an_unknown_cell_offers_a_near_one(given, message):
    with pytest.raises(UsageError, match=message):
        registry.cell(f"torchrecurrent:cell={given}")


def test_the_librarys_version_is_in_the_key(monkeypatch):
    (trial,) = adhoc(task="adding", cell="torchrecurrent:cell=RAN", seeds=1).trials()
    assert trial.cell_version == int("".join(f"{int(part):02}" for part in version("torchrecurrent").split(".")))
    monkeypatch.setattr(adapter, "version", lambda name: "0.2.6")
    (other,) = adhoc(task="adding", cell="torchrecurrent:cell=RAN", seeds=1).trials()
    assert other.key != trial.key


def test_the_spelling_always_names_the_cell():
    assert registry.cell("torchrecurrent").spec == "torchrecurrent:cell=LiGRU"


def test_our_janet_is_the_librarys_where_its_two_biases_are_one():
    ours, theirs = registry.cell("janet"), torchrecurrent.JANET(3, 5).double()
    weights = {name: torch.from_numpy(value) for name, value in ours.initial_weights(3, 5, "test").items()}
    values = {"weight_ih": weights["input_weight"].T, "weight_hh": weights["recurrent_weight"].T}
    cell = theirs.cells[0]
    with torch.no_grad():
        for name, value in (values | {"bias_ih": weights["bias"]}).items():
            getattr(cell, name).copy_(value)
        cell.bias_hh.zero_()
    inputs = torch.from_numpy(stream("test").generator().standard_normal((7, 2, 3)))
    torch.testing.assert_close(run_layer(ours, inputs, weights), theirs(inputs)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("without_the_library")
def test_without_the_library_one_line_says_what_to_install(tmp_path: Path):
    run = ["run", "--task", "adding", "--cell", "torchrecurrent:cell=JANET", "--results", str(tmp_path)]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 2
    assert (
        result.stderr == "longlag: cell torchrecurrent needs the library torchrecurrent: pip install 'longlag[cells]'\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_the_library")
@pytest.mark.parametrize("args", [["list", "cells"], ["list", "cells", "--details"]])
def test_without_the_library_cells_are_listed_as_ever(args):
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0
    assert "torchrecurrent" in result.stdout
    assert "ugrnn" in result.stdout


@pytest.mark.usefixtures("without_the_library")
def test_without_the_library_the_cost_of_the_others_is_measured(tmp_path: Path, monkeypatch):
    names = registry.names
    monkeypatch.setattr(
        registry, "names", lambda kind: ["lstm", "rnn", "torchrecurrent"] if kind == "cell" else names(kind)
    )
    tiny = ["--quick", "--length", "4", "--hidden-size", "3", "--batch-size", "2", "--results", str(tmp_path)]
    result = CliRunner().invoke(main, ["cost", *tiny])
    assert "left out: cell torchrecurrent needs the library" in result.stderr
    assert "rnn" in result.stdout


def test_state_and_parameters_are_the_modules():
    network = ModuleNetwork(registry.cell("torchrecurrent:cell=PeepholeLSTM"), 2, 1, 8)
    module = torchrecurrent.PeepholeLSTM(2, 8)
    assert network.state_size == 16
    assert network.cell.count(2, 8) == sum(value.numel() for value in module.parameters())
