"""Networks without a cell: causal, counted, refused where they must be, and under every promise of a cell."""

import pytest
import torch
from architecture_samples import SPECS, STEPS, TINY, built, sequences, weights_of
from click.testing import CliRunner

from longlag.checks.cells import check_cell
from longlag.cli import main
from longlag.networks.build import network_of
from longlag.plan.sizes import matched
from longlag.plan.study import adhoc
from longlag.process.state import moved, random_state
from longlag.tasks.support.errors import UsageError
from longlag.training.cohort import train
from longlag.values.trial import Trial


@pytest.mark.parametrize("spec", SPECS)
def test_every_architecture_passes_the_check_of_a_cell(spec: str) -> None:
    assert [finding.line for finding in check_cell(spec, timed=False) if not finding.ok] == []


@pytest.mark.parametrize("spec", SPECS)
def test_no_output_of_a_deep_network_depends_on_a_later_input(spec: str) -> None:
    network = built(spec)
    weights, inputs = weights_of(network), sequences().requires_grad_()
    states = network.states(weights, inputs)
    for step in range(STEPS):
        (reach,) = torch.autograd.grad(states[step].sum(), inputs, retain_graph=True)
        assert (reach[step + 1 :] == 0).all()
        assert (reach[step] != 0).any()


# As a cell is used


@pytest.mark.parametrize(
    ("spec", "parameters", "state"),
    [
        ("transformer", 6 * 8 + 3 * (12 * 64 + 13 * 8) + 16, 2 * 3 * 7 * 8),
        ("transformer:feedforward=2", 6 * 8 + 3 * (8 * 64 + 11 * 8) + 16, 2 * 3 * 7 * 8),
        ("transformer:positions=learned", 6 * 8 + 3 * (12 * 64 + 13 * 8) + 16 + 7 * 8, 2 * 3 * 7 * 8),
        ("tcn:kernel_size=2", 5 * 8 * 3 + 64 * 2 * 5 + 4 * 3 * 8 + 8, 1 * 13 + 2 * 16 + 4 * 16),
    ],
)
def test_parameters_and_context_are_as_the_docstrings_say(spec: str, parameters: int, state: int) -> None:
    network = built(spec)
    assert network.layout.num_parameters == parameters + (8 + 1) * 4
    assert network.state_size == state


@pytest.mark.parametrize("cell", ["transformer:positions=learned", "transformer:heads=2,positions=rotary", "tcn"])
def test_a_deep_trial_alone_gives_the_bytes_of_one_in_company(cell: str) -> None:
    trials = adhoc(cell=cell, clip=("none", "norm:0.5"), seeds=2, layers=2, **TINY).trials()
    together, alone = [], []
    train(trials[::-1], together.append)
    train([trials[3]], alone.append)
    (same,) = [result for result in together if result.trial == trials[3]]
    assert alone[0].fingerprint == same.fingerprint
    assert alone[0].measurements == same.measurements
    assert len({result.fingerprint for result in together}) == len(trials)


@pytest.mark.parametrize("cell", SPECS)
def test_building_and_training_leave_global_random_state_alone(cell: str) -> None:
    before = random_state()
    torch.manual_seed(1)
    first = network_of(Trial(TINY["task"], cell, "none", 0.1, 0, hidden_size=8)).initial_row(0)
    torch.manual_seed(2)
    again = network_of(Trial(TINY["task"], cell, "none", 0.1, 0, hidden_size=8)).initial_row(0)
    assert (first == again).all()
    torch.set_rng_state(before["torch"])
    train(adhoc(cell=cell, seeds=1, **(TINY | {"lr": 0.1})).trials(), lambda result: None)
    assert moved(before) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cell": "transformer:heads=3"}, "heads=3: the hidden size must be a multiple of 3, not 8; .*6 or 9"),
        ({"cell": "transformer:positions=rotary,heads=8"}, "a multiple of 16, not 8; did you mean 16"),
        ({"cell": "transformer", "layers": 2, "skip": "residual"}, "connects its layers itself: skip must be none"),
        ({"cell": "tcn", "layers": 2, "dropout": 0.1}, "tcn connects its layers itself: dropout must be 0"),
        ({"cell": "tcn", "direction": "bidirectional", "task": "adding"}, "tcn reads from left to right only"),
        (
            {"cell": "transformer", "direction": "bidirectional", "task": "agreement"},
            "a bidirectional network would see them",
        ),
        ({"cell": "transformer:positions=rotery"}, "positions must be one of .* did you mean rotary"),
        ({"cell": "transformer:dropout=1"}, "cell transformer has no option 'dropout'"),
        ({"cell": "transfomer"}, "no cell is called 'transfomer'; did you mean transformer"),
        ({"cell": "transformer:positions=learned", "test_lags": (4, 12)}, "has the task's 5 positions, not 13; sin"),
        ({"cell": "tcn:kernel_size=1"}, "kernel_size must be from 2 to 1000, not 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_rule(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        adhoc(**(TINY | options)).trials()


def test_widths_are_matched_in_whole_heads() -> None:
    trial = Trial("copy", "transformer:heads=2,positions=rotary", "none", 0.01, 0, layers=2)
    size, match = matched(trial, "parameters", 30_000)
    assert size % 4 == 0
    assert (
        match.note.startswith(f"sizes {size}")
        or match.note.startswith(f"sizes {size - 4}")
        or abs(match.distance) <= 0.03
    )


def test_cells_are_listed_with_those_that_have_none() -> None:
    found = CliRunner().invoke(main, ["list", "cells"])
    assert "transformer      Transformer: self-attention" in found.output
    assert "kernel_size: taps of a convolution (K) [7]" in found.output


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["transformer", "tcn"])
def test_an_easy_task_is_learnt(cell: str) -> None:
    (trial,) = adhoc(task="copy:items=2,blanks=8", cell=cell, layers=2, lr=0.002, seeds=1, updates=3000).trials()
    found: list = []
    train([trial], found.append)
    assert found[0].status == "solved"
