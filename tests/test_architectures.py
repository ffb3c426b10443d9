"""Networks without a cell: against torch.nn and equations written afresh, causal, and under every promise of a cell."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from bench import registry
from bench.ambient import moved, random_state
from bench.architectures.base import Shape
from bench.architectures.transformer import rotated
from bench.assemble import network_for, network_of
from bench.checks.cells import check_cell
from bench.cli import main
from bench.matching import matched
from bench.seeding import stream
from bench.study import adhoc
from bench.training import train
from bench.trial import Trial
from bench.whole_network import WholeNetwork
from bench.wiring import Wiring
from tasks.options import UsageError

SPECS = [
    *("transformer", "transformer:heads=2,positions=rotary", "transformer:positions=learned"),
    *("transformer:positions=none,feedforward=2", "tcn", "tcn:kernel_size=2,dilation_base=3"),
]
STEPS, BATCH, INPUTS, HIDDEN, LAYERS = 7, 3, 5, 8, 3


def built(spec: str, layers: int = LAYERS, bidirectional: bool = False) -> WholeNetwork:
    return WholeNetwork(registry.cell(spec), Shape(INPUTS, HIDDEN, layers, STEPS, bidirectional), 4)  # type: ignore[arg-type]


def weights_of(network: WholeNetwork, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights without special values, so that nothing is right by chance."""
    row = network.initial_row(seed) + 0.2 * stream("test", seed).generator().standard_normal(network.layout.row_size)
    return {name: view.requires_grad_() for name, view in network.layout.views(torch.from_numpy(row)).items()}


def sequences(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(stream("test", "inputs", seed).generator().standard_normal((STEPS, BATCH, INPUTS)))


def assert_same(ours: torch.Tensor, theirs: torch.Tensor, weights: list[torch.Tensor]) -> None:
    """Compare values, and gradients of a random projection."""
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    factors = torch.from_numpy(stream("test", "factors").generator().standard_normal(tuple(ours.shape)))
    both = [torch.autograd.grad((found * factors).sum(), weights, retain_graph=True) for found in (ours, theirs)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("spec", SPECS)
def test_every_architecture_passes_the_check_of_a_cell(spec: str) -> None:
    assert [finding.line for finding in check_cell(spec, timed=False) if not finding.ok] == []


# Transformer


def torch_encoder(weights: dict[str, torch.Tensor], signal: torch.Tensor, mask, padding=None) -> torch.Tensor:
    names = {
        "self_attn.in_proj_weight": "project.weight", "self_attn.in_proj_bias": "project.bias",
        "self_attn.out_proj.weight": "gather.weight", "self_attn.out_proj.bias": "gather.bias",
        **{f"{part}.{kind}": f"{part}.{kind}" for part in ("linear1", "linear2", "norm1", "norm2")
           for kind in ("weight", "bias")},
    }  # fmt: skip
    layer = nn.TransformerEncoderLayer(HIDDEN, 4, 4 * HIDDEN, dropout=0.0, norm_first=True).double()
    for place in range(LAYERS):
        given = {theirs: weights[f"network.blocks.{place}.{ours}"] for theirs, ours in names.items()}
        options = {"src_mask": mask, "src_key_padding_mask": padding}
        signal = torch.func.functional_call(layer, given, (signal,), options)
    return nn.functional.layer_norm(
        signal, (HIDDEN,), weights["network.norm.weight"], weights["network.norm.bias"]
    )  # fmt: skip


def positions_afresh() -> torch.Tensor:
    found = torch.zeros(STEPS, 1, HIDDEN, dtype=torch.float64)
    for step in range(STEPS):
        for pair in range(HIDDEN // 2):
            angle = step / 10_000 ** (2 * pair / HIDDEN)
            found[step, 0, 2 * pair], found[step, 0, 2 * pair + 1] = np.sin(angle), np.cos(angle)
    return found


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_transformer_is_the_one_of_torch(bidirectional: bool) -> None:
    network = built("transformer", bidirectional=bidirectional)
    weights, lengths = weights_of(network), torch.tensor([7, 4, 5])
    used = [value for name, value in weights.items() if not name.startswith("readout")]
    ours = network.states(weights, sequences(), lengths)
    embedded = sequences() @ weights["network.embed.weight"].T + weights["network.embed.bias"] + positions_afresh()
    causal = torch.ones(STEPS, STEPS).triu(1).bool()
    padding = torch.arange(STEPS) >= lengths.unsqueeze(1)
    theirs = torch_encoder(weights, embedded, *((None, padding) if bidirectional else (causal, None)))
    within = ~padding.T if bidirectional else torch.ones(STEPS, BATCH, dtype=torch.bool)
    assert_same(ours[within], theirs[within], used)


def test_learned_positions_are_added_and_learnt() -> None:
    network = built("transformer:positions=learned")
    weights = weights_of(network)
    embedded = sequences() @ weights["network.embed.weight"].T + weights["network.embed.bias"]
    embedded = embedded + weights["network.places"].unsqueeze(1)
    theirs = torch_encoder(weights, embedded, torch.ones(STEPS, STEPS).triu(1).bool())
    assert_same(network.states(weights, sequences()), theirs, [weights["network.places"]])


def test_learned_positions_beyond_the_tasks_are_refused() -> None:
    network = built("transformer:positions=learned")
    longer = torch.cat([sequences(), sequences(1)])
    with pytest.raises(UsageError, match=r"positions=learned has the task's 7 places, not 14; sinusoidal"):
        network.states(weights_of(network), longer)
    other = built("transformer:positions=rotary,heads=2")
    assert len(other.states(weights_of(other), longer)) == 14


def test_rotated_vectors_meet_by_their_distance_only() -> None:
    query, key = (stream("test", name).generator().standard_normal(6) for name in ("query", "key"))
    places = [rotated(torch.from_numpy(one).expand(9, 6).clone()) for one in (query, key)]
    products = places[0] @ places[1].T
    for distance in range(-8, 9):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))
    assert products[0].std() > 0.1
    as_complex = (query[0::2] + 1j * query[1::2]) * np.exp(5j * 10_000.0 ** (-np.arange(3) / 3))
    torch.testing.assert_close(places[0][5, 0::2].numpy() + 1j * places[0][5, 1::2].numpy(), as_complex)


def test_rotary_attention_follows_its_equation() -> None:
    network = built("transformer:heads=2,positions=rotary", layers=1)
    weights = {name.removeprefix("network."): value for name, value in weights_of(network).items()}
    x = sequences() @ weights["embed.weight"].T + weights["embed.bias"]

    def normal(signal: torch.Tensor, name: str) -> torch.Tensor:
        return nn.functional.layer_norm(signal, (HIDDEN,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    def product(signal: torch.Tensor, name: str) -> torch.Tensor:
        return signal @ weights[f"blocks.0.{name}.weight"].T + weights[f"blocks.0.{name}.bias"]

    query, key, value = product(normal(x, "blocks.0.norm1"), "project").chunk(3, -1)
    seen = torch.zeros_like(x)
    for column in range(BATCH):
        for head in (slice(0, 4), slice(4, 8)):
            q, k = rotated(query[:, column, head]), rotated(key[:, column, head])
            for step in range(STEPS):
                weight = torch.softmax(q[step] @ k[: step + 1].T / 2, 0)
                seen[step, column, head] = weight @ value[: step + 1, column, head]
    x = x + product(seen, "gather")
    x = x + product(torch.relu(product(normal(x, "blocks.0.norm2"), "linear1")), "linear2")
    given = {f"network.{name}": one for name, one in weights.items()} | {"readout.bias": weights["readout.bias"]}
    used = [value for name, value in weights.items() if not name.startswith("readout")]
    assert_same(network.states(given, sequences()), normal(x, "norm"), used)


def test_without_positions_a_bidirectional_transformer_sees_a_set() -> None:
    network = built("transformer:positions=none", bidirectional=True)
    weights, order = weights_of(network), torch.tensor([3, 1, 6, 0, 2, 5, 4])
    torch.testing.assert_close(network.states(weights, sequences()[order]), network.states(weights, sequences())[order])
    causal = built("transformer:positions=none")
    shuffled = causal.states(weights, sequences()[order])
    assert (shuffled - causal.states(weights, sequences())[order]).abs().max() > 0.1


@pytest.mark.parametrize("spec", SPECS)
def test_no_output_of_a_deep_network_depends_on_a_later_input(spec: str) -> None:
    network = built(spec)
    weights, inputs = weights_of(network), sequences().requires_grad_()
    states = network.states(weights, inputs)
    for step in range(STEPS):
        (reach,) = torch.autograd.grad(states[step].sum(), inputs, retain_graph=True)
        assert (reach[step + 1 :] == 0).all()
        assert (reach[step] != 0).any()


def test_a_bidirectional_transformer_sees_what_comes_but_nothing_behind_its_end() -> None:
    network = built("transformer", bidirectional=True)
    inputs = sequences().requires_grad_()
    states = network.states(weights_of(network), inputs, torch.tensor([7, 4, 5]))
    (reach,) = torch.autograd.grad(states[0, 1].sum(), inputs)
    assert (reach[:4, 1] != 0).any(1).all()
    assert (reach[4:] == 0).all()
    assert (reach[:, [0, 2]] == 0).all()


# TCN


def test_the_tcn_follows_its_equations() -> None:
    network = built("tcn:kernel_size=3")
    weights = weights_of(network)
    used = [value for name, value in weights.items() if not name.startswith("readout")]

    def convolution(signal: list[torch.Tensor], name: str, apart: int) -> list[torch.Tensor]:
        length, direction = (weights[f"{name}.parametrizations.weight.original{place}"] for place in (0, 1))
        kernel = length * direction / direction.flatten(1).norm(dim=1)[:, None, None]
        return [
            weights[f"{name}.bias"]
            + sum(
                signal[step - (2 - tap) * apart] @ kernel[:, :, tap].T for tap in range(3) if step >= (2 - tap) * apart
            )
            for step in range(STEPS)
        ]

    signal = list(sequences())
    for layer, apart in enumerate((1, 2, 4)):
        block = f"network.blocks.{layer}"
        inner = [torch.relu(one) for one in convolution(signal, f"{block}.first", apart)]
        inner = [torch.relu(one) for one in convolution(inner, f"{block}.second", apart)]
        if layer == 0:
            around = [
                one @ weights[f"{block}.around.weight"][:, :, 0].T + weights[f"{block}.around.bias"] for one in signal
            ]
        else:
            around = signal
        signal = [torch.relu(one + other) for one, other in zip(inner, around, strict=True)]
    assert_same(network.states(weights, sequences()), torch.stack(signal), used)


def test_the_tcn_reaches_as_far_as_it_says() -> None:
    shape = Shape(INPUTS, HIDDEN, 3, 1000)
    assert registry.cell("tcn:kernel_size=3").reach(shape) == 1 + 2 * 2 * (1 + 2 + 4)  # type: ignore[attr-defined]
    network = WholeNetwork(registry.cell("tcn:kernel_size=2"), Shape(1, HIDDEN, 3, 40), 1)  # type: ignore[arg-type]
    inputs = torch.from_numpy(stream("test").generator().standard_normal((40, 1, 1))).requires_grad_()
    (reach,) = torch.autograd.grad(network.states(weights_of(network), inputs)[-1].sum(), inputs)
    assert (reach.flatten() != 0).tolist() == [False] * 25 + [True] * 15


def test_many_layers_of_dilations_beyond_the_sequence_cost_no_memory() -> None:
    network = built("tcn", layers=32)
    assert network.states(weights_of(network), sequences()).isfinite().all()


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


TINY = {
    "task": "copy:items=1,blanks=3", "updates": 6, "eval_every": 3, "batch_size": 4, "hidden_size": 8,
    "lr": (0.01, 0.1),
}  # fmt: skip


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
        ({"cell": "transformer", "layers": 2, "skip": "residual"}, "its own ways between layers: skip must be none"),
        ({"cell": "tcn", "layers": 2, "dropout": 0.1}, "tcn has its own ways between layers: dropout must be 0"),
        ({"cell": "tcn", "direction": "bidirectional", "task": "adding"}, "tcn reads from left to right only"),
        (
            {"cell": "transformer", "direction": "bidirectional", "task": "agreement"},
            "a bidirectional network would see them",
        ),
        ({"cell": "transformer:positions=rotery"}, "positions must be one of .* did you mean rotary"),
        ({"cell": "transformer:dropout=1"}, "cell transformer has no option 'dropout'"),
        ({"cell": "transfomer"}, "no cell is called 'transfomer'; did you mean transformer"),
        ({"cell": "transformer:positions=learned", "test_lags": (4, 12)}, "has the task's 5 places, not 13; sin"),
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


def test_a_bidirectional_transformer_trains_where_the_task_admits_it() -> None:
    options = TINY | {"task": "adding:length=8", "lr": 0.01, "seeds": 1, "direction": "bidirectional"}
    (trial,) = adhoc(cell="transformer", **options).trials()
    found: list = []
    train([trial], found.append)
    assert found[0].updates == 6


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["transformer", "tcn"])
def test_an_easy_task_is_learnt(cell: str) -> None:
    (trial,) = adhoc(task="copy:items=2,blanks=8", cell=cell, layers=2, lr=0.002, seeds=1, updates=3000).trials()
    found: list = []
    train([trial], found.append)
    assert found[0].status == "solved"


def test_a_tcn_that_does_not_reach_the_item_stays_at_the_floor() -> None:
    options = {"task": "copy:items=1,blanks=20", "seeds": 1, "updates": 60, "eval_every": 60, "lr": 0.01}
    (near,) = adhoc(cell="tcn:kernel_size=2", layers=3, **options).trials()
    cell = registry.cell(near.cell)
    network = network_for(cell, registry.task(near.task), 8, Wiring(3))
    assert cell.reach(network.shape) == 15 < registry.task(near.task).min_lag  # type: ignore[attr-defined]
    found: list = []
    train([near], found.append)
    assert found[0].error > 0.875 - 0.06  # of 1000 sequences: five standard errors
