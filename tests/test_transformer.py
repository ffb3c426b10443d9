"""The transformer against the one of torch.nn and equations written afresh; what its positions and directions see."""

import numpy as np
import pytest
import torch
from architecture_samples import BATCH, HIDDEN, LAYERS, STEPS, TINY, assert_same, built, sequences, weights_of
from torch import nn

from longlag.architectures.transformer import rotated
from longlag.plan.study import adhoc
from longlag.tasks.support.errors import UsageError
from longlag.training.cohort import train
from longlag.values.seeding import stream


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


def test_inputs_begin_as_large_as_their_positions() -> None:
    """As a vector a token, of which each number is standard normal, as in torch.nn.Embedding."""
    network = built("transformer")
    embedded = network.layout.views(torch.from_numpy(network.initial_row(0)))["network.embed.weight"]
    assert embedded.std().item() == pytest.approx(1, abs=0.3)  # of 40 numbers; torch.nn.Linear: 0.26


def test_learned_positions_beyond_the_tasks_are_refused() -> None:
    network = built("transformer:positions=learned")
    longer = torch.cat([sequences(), sequences(1)])
    with pytest.raises(UsageError, match=r"positions=learned has the task's 7 positions, not 14; sinusoidal"):
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


def test_a_bidirectional_transformer_sees_what_comes_but_nothing_behind_its_end() -> None:
    network = built("transformer", bidirectional=True)
    inputs = sequences().requires_grad_()
    states = network.states(weights_of(network), inputs, torch.tensor([7, 4, 5]))
    (reach,) = torch.autograd.grad(states[0, 1].sum(), inputs)
    assert (reach[:4, 1] != 0).any(1).all()
    assert (reach[4:] == 0).all()
    assert (reach[:, [0, 2]] == 0).all()


def test_a_bidirectional_transformer_trains_where_the_task_admits_it() -> None:
    options = TINY | {"task": "adding:length=8", "lr": 0.01, "seeds": 1, "direction": "bidirectional"}
    (trial,) = adhoc(cell="transformer", **options).trials()
    found: list = []
    train([trial], found.append)
    assert found[0].updates == 6
