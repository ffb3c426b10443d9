"""The optimisers against torch.optim or their papers' equations, and rows that do not feel their neighbours."""

import pytest
import torch
from optimiser_samples import DTYPES, LAYOUT, RATE, gradients_of, start_of, trained, update_of

from longlag import registry
from longlag.optimisers.muon import orthogonal
from longlag.tasks.support.errors import UsageError
from longlag.values.layout import Layout

OPTIM = torch.optim
REFERENCES = {
    "adam": lambda values, decay: OPTIM.Adam(values, RATE, weight_decay=decay),
    "adam:beta1=0.5,beta2=0.9,eps=1e-3": lambda values, decay: OPTIM.Adam(
        values, RATE, betas=(0.5, 0.9), eps=1e-3, weight_decay=decay
    ),
    "adamw": lambda values, decay: OPTIM.AdamW(values, RATE, weight_decay=decay),
    "adamw:beta1=0.5,beta2=0.9,eps=1e-3": lambda values, decay: OPTIM.AdamW(
        values, RATE, betas=(0.5, 0.9), eps=1e-3, weight_decay=decay
    ),
    "sgd": lambda values, decay: OPTIM.SGD(values, RATE, weight_decay=decay),
    "sgd:momentum=0.9": lambda values, decay: OPTIM.SGD(values, RATE, momentum=0.9, weight_decay=decay),
    "sgd:momentum=0.9,nesterov=true": lambda values, decay: OPTIM.SGD(
        values, RATE, momentum=0.9, nesterov=True, weight_decay=decay
    ),
    "rmsprop": lambda values, decay: OPTIM.RMSprop(values, RATE, weight_decay=decay),
    "rmsprop:alpha=0.5,eps=1e-4": lambda values, decay: OPTIM.RMSprop(
        values, RATE, alpha=0.5, eps=1e-4, weight_decay=decay
    ),
}
SPECS = [*REFERENCES, "lion", "lion:beta1=0.5,beta2=0.8", "muon", "muon:scale=original,nesterov=false"]


def torchs(spec, start, gradients, decay):
    """Return what torch's own optimiser makes of a parameter."""
    theirs = torch.nn.Parameter(start.clone())
    reference = REFERENCES[spec]([theirs], decay)
    for gradient in gradients:
        theirs.grad = gradient.clone()
        reference.step()
    return theirs.detach()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("dtype", "rtol", "atol"), [
    (torch.float64, 1e-12, 1e-12),
    # A step rounds a few times on either side, each by up to 6e-8 of it; over 50 steps of at most about .1 in
    # parameters of about 1 that sums to some 1e-6, and the order of Adam's divisions differs.
    (torch.float32, 5e-6, 5e-6),
])  # fmt: skip
@pytest.mark.parametrize("spec", REFERENCES)
def test_fifty_updates_equal_those_of_torch_optim(spec, dtype, rtol, atol, decay):
    start, gradients = start_of((3, 40), dtype), gradients_of((3, 40), dtype)
    ours = trained(spec, start, gradients, torch.full((3, 1), RATE, dtype=dtype), decay)
    assert (ours - start).abs().max() > 0.05, "something moved"
    torch.testing.assert_close(ours, torchs(spec, start, gradients, decay), rtol=rtol, atol=atol)


def lion_by_hand(start, gradients, beta1, beta2, decay):
    """Chen et al. 2023, algorithm 2, a number at a time."""
    found = start.tolist()
    for place, value in enumerate(found):
        m = 0.0
        for gradient in gradients:
            g = gradient[place].item()
            c = beta1 * m + (1 - beta1) * g
            value -= RATE * ((c > 0) - (c < 0) + decay * value)
            m = beta2 * m + (1 - beta2) * g
        found[place] = value
    return torch.tensor(found, dtype=start.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("spec", "betas"), [("lion", (0.9, 0.99)), ("lion:beta1=0.5,beta2=0.8", (0.5, 0.8))])
def test_lion_follows_its_papers_algorithm(spec, betas, decay, dtype):
    start, gradients = start_of((1, 24), dtype), gradients_of((1, 24), dtype)
    ours = trained(spec, start, gradients, torch.full((1, 1), RATE, dtype=dtype), decay)
    expected = lion_by_hand(start[0].double(), [gradient[0].double() for gradient in gradients], *betas, decay)
    torch.testing.assert_close(ours[0].double(), expected, rtol=5e-6, atol=5e-6)


def logical(rows):
    """Return the tensors of a row as torch.nn would hold them, units first: each gate's matrix, and the vectors."""
    views = LAYOUT.views(rows)
    return [*views["weight"].T.split(4), views["turned"], views["readout.weight"].T, views["bias"]]


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("spec", "options"), [
    ("muon", {"adjust_lr_fn": "match_rms_adamw"}),
    ("muon:scale=original", {}),
    ("muon:momentum=0.5,nesterov=false,steps=3,scale=original", {"momentum": 0.5, "nesterov": False, "ns_steps": 3}),
])  # fmt: skip
def test_muon_equals_torchs_on_each_matrix_and_adamw_on_vectors(monkeypatch, spec, options, dtype, decay):
    """Torch's is given a trial's own precision in place of bfloat16, by which it would be off by a hundredth."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    start = start_of((1, LAYOUT.row_size), dtype)
    gradients = gradients_of((1, LAYOUT.row_size), dtype)
    theirs = [torch.nn.Parameter(part.clone()) for part in logical(start[0])]
    made = [
        OPTIM.Muon(theirs[:-1], RATE, weight_decay=decay, **options),
        OPTIM.AdamW(theirs[-1:], RATE, weight_decay=decay),
    ]
    for gradient in gradients:
        for parameter, part in zip(theirs, logical(gradient[0]), strict=True):
            parameter.grad = part.clone()
        for optimiser in made:
            optimiser.step()
    ours = trained(spec, start, gradients, torch.full((1, 1), RATE, dtype=dtype), decay)
    # In float32 the iteration multiplies a rounding of small singular values by up to 3.4 in each of its steps.
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-4}
    for mine, parameter in zip(logical(ours[0]), theirs, strict=True):
        torch.testing.assert_close(mine, parameter.detach(), **close)


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (5, 1)])
def test_muons_iteration_brings_singular_values_near_one_and_keeps_the_singular_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, before, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonal(matrix, 5) @ v.T
    after = found.diagonal()
    assert (found - torch.diag(after)).abs().max() < 1e-9
    assert ((after > 0.5) & (after < 1.3))[before > 0.02 * before.max()].all()


def test_muon_treats_the_gates_of_a_weight_one_by_one():
    whole = Layout.of({"weight": (5, 12)})
    gates = Layout.of({"weight": (5, 12)}, {"weight": (4, 4, 4)})
    start, gradients = start_of((1, 64), torch.float64), gradients_of((1, 64), torch.float64)[:3]
    rate = torch.full((1, 1), RATE, dtype=torch.float64)
    found = [trained("muon", start, gradients, rate, layout=layout) for layout in (whole, gates)]
    assert not torch.allclose(*found)


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(UsageError, match=r"nesterov needs a momentum above 0, as in sgd:momentum=0\.9,nesterov=true"):
        registry.optimizer("sgd:nesterov=true")


@pytest.mark.parametrize("spec", SPECS)
def test_every_row_has_its_own_rate(spec):
    start, gradients = start_of((2, LAYOUT.row_size), torch.float64), gradients_of((2, LAYOUT.row_size), torch.float64)
    rates = torch.tensor([[0.1], [0.001]], dtype=torch.float64)
    both = trained(spec, start, gradients[:5], rates)
    for row in range(2):
        here = slice(row, row + 1)
        assert torch.equal(both[here], trained(spec, start[here], [g[here] for g in gradients[:5]], rates[here]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_a_row_is_the_same_bytes_wherever_it_stands(spec, dtype):
    for size in (1, 7, 16, 33, 80, 255, 1040):
        layout = Layout.of({"bias": (size,)}) if size < 255 else Layout.of({"weight": (5, size // 5)})
        start, gradients = start_of((1, size), dtype), gradients_of((1, size), dtype)[:5]
        rate = torch.full((1, 1), RATE, dtype=dtype)
        alone = trained(spec, start, gradients, rate, 0.1, layout)
        for trials in (3, 5):
            others = [gradients_of((trials, size), dtype, seed=1)[update].clone() for update in range(5)]
            matrix = start_of((trials, size), dtype).mul(3)
            for place in range(trials):
                rows, moved = matrix.clone(), [other.clone() for other in others]
                rows[place] = start[0]
                for update in range(5):
                    moved[update][place] = gradients[update][0]
                found = trained(spec, rows, moved, rate.expand(trials, 1), 0.1, layout)
                assert torch.equal(found[place], alone[0])


@pytest.mark.parametrize("spec", SPECS)
def test_a_row_goes_by_its_own_count_of_updates(spec):
    """A clip may have dropped updates of one trial and not of the one beside it."""
    size = LAYOUT.row_size
    start, gradients = start_of((2, size), torch.float32), gradients_of((2, size), torch.float32)
    rates, optimiser = torch.full((2, 1), RATE), registry.optimizer(spec)
    state, alone = optimiser.start(start), [optimiser.start(start[:1]) for _ in range(2)]
    for number, gradient in enumerate(gradients[:5], start=1):
        counts = (number, number + 2)
        step = optimiser.step(update_of(start, gradient, rates, counts), state, lambda taken: None)
        for row, count in enumerate(counts):
            here = slice(row, row + 1)
            own = update_of(start[here], gradient[here], rates[here], (count,))
            assert torch.equal(optimiser.step(own, alone[row], lambda taken: None)[0], step[row])


@pytest.mark.parametrize("spec", SPECS)
def test_padding_stays_zero(spec):
    layout = Layout.of({"bias": (11,)})
    start, gradients = start_of((2, 16), torch.float32), gradients_of((2, 16), torch.float32)
    for matrix in (start, *gradients):
        matrix[:, 11:] = 0
    after = trained(spec, start, gradients, torch.full((2, 1), RATE), 0.1, layout)
    assert (after[:, 11:] == 0).all()
    assert (after[:, :11] != start[:, :11]).all()


def test_padding_stays_zero_with_the_smallest_eps():
    start, zeros = torch.zeros(1, 16), [torch.zeros(1, 16)]
    for spec in ("adam:eps=1e-30", "adamw:eps=1e-30", "muon:eps=1e-30", "rmsprop:eps=1e-30"):
        assert torch.equal(trained(spec, start, zeros, torch.ones(1, 1)), start)


def test_the_witness_sees_the_gradients_that_are_taken_without_the_decay():
    seen = []
    gradients, parameters = torch.ones(1, 4), torch.full((1, 4), 2.0)
    optimiser = registry.optimizer("sgd")
    update = update_of(parameters, gradients, torch.ones(1, 1), (1,), 0.5)
    step = optimiser.step(update, optimiser.start(gradients), seen.append)
    assert seen[0] is gradients
    assert torch.equal(step, torch.full((1, 4), 2.0))  # 1 + 0.5 · 2
    assert torch.equal(parameters, torch.full((1, 4), 2.0))


@pytest.mark.parametrize("spec", ["adam", "adamw"])
def test_where_weight_decay_acts(spec):
    """Coupled, it goes through the moments and is scaled as the gradient is; decoupled, it shrinks the weights."""
    start, zeros = torch.full((1, 16), 2.0), [torch.zeros(1, 16)]
    found = trained(spec, start, zeros, torch.full((1, 1), RATE), decay=0.5)
    expected = {"adam": 2 - RATE, "adamw": 2 - RATE * 0.5 * 2}
    torch.testing.assert_close(found, torch.full((1, 16), expected[spec]))
