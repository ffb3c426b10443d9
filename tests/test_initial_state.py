"""Learned initial states: where scans start, what flows back to them, and what cannot have any."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.cells.base import Cell
from longlag.networks.build import network_of
from longlag.networks.layers import Layers
from longlag.plan.study import adhoc
from longlag.scans.run import run_layer, scan
from longlag.tasks.support.errors import UsageError
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.trial import Trial
from longlag.values.wiring import Wiring

LEARNED = Wiring(initial_state="learned")
INPUTS, BATCH = 3, 4
CELLS = [name for name in registry.shipped("cell") if name != "torchrecurrent"]
BASE = Trial(
    "adding:length=6", "lstm", "none", 0.02, 0, hidden_size=5, batch_size=3, updates=4, eval_every=2,
    initial_state="learned",
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def moved(layers, seed=0):
    """Draw every tensor away from its initial value; all want gradients."""
    generator = np.random.default_rng(seed)
    values = layers.initial_values("test", seed)
    assert {name: value.shape for name, value in values.items()} == layers.shapes
    return {
        name: torch.from_numpy(value + 0.3 * generator.standard_normal(value.shape)).requires_grad_()
        for name, value in values.items()
    }


def gradients_of(outputs, tensors):
    factors = torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * factors).sum(), tensors)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_starts_from_its_states_and_the_gradient_reaches_them(name):
    """Against the cell's own steps, by autograd, from the same states."""
    cell = registry.cell(name)
    assert isinstance(cell, Cell)
    hidden = 4 * cell.width_step
    layers = Layers(cell, INPUTS, hidden, LEARNED)
    tensors = moved(layers)
    inputs = torch.from_numpy(np.random.default_rng(1).standard_normal((5, BATCH, INPUTS)))
    found = layers.run(tensors, inputs, lambda _, seen, own, start: run_layer(cell, seen, own, state=start))
    shapes = cell.state_shapes(hidden)
    states = tuple(tensors[f"0.initial_{state}"].view(shape) for state, shape in shapes.items())
    own = {part.removeprefix("0."): tensor for part, tensor in tensors.items()}
    starts = tuple(state.expand(BATCH, *state.shape) for state in states)
    expected = scan(cell, cell.project(inputs, own), own, starts)[0]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    learned = [tensors[f"0.initial_{state}"] for state in shapes]
    for mine, theirs in zip(gradients_of(found, learned), gradients_of(expected, learned), strict=True):
        assert theirs.any()
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_untrained_it_is_the_network_that_starts_from_zeros():
    learned, plain = (network_of(replace(BASE, initial_state=state)) for state in ("learned", "zeros"))
    views = learned.layout.arrays(learned.initial_row(0))
    assert not views.pop("0.initial_h").any()
    assert not views.pop("0.initial_c").any()
    theirs = plain.layout.arrays(plain.initial_row(0))
    assert views.keys() == theirs.keys()
    assert all((views[name] == theirs[name]).all() for name in views)
    assert learned.layout.num_parameters == plain.layout.num_parameters + 2 * 5
    one, other = results_of(BASE)[BASE], results_of(replace(BASE, initial_state="zeros"))
    (zeros,) = other.values()
    assert one.measurements[0].error == pytest.approx(zeros.measurements[0].error, rel=1e-5)
    assert one.measurements[-1] != zeros.measurements[-1], "it learns"


def test_both_directions_of_each_layer_have_their_own():
    network = network_of(replace(BASE, layers=2, direction="bidirectional", cell="gru"))
    names = [slot.name for slot in network.layout.slots if "initial" in slot.name]
    assert names == ["0.initial_h", "0-backward.initial_h", "1.initial_h", "1-backward.initial_h"]


def trained_row(trial, updates=3):
    cohort = Cohort([trial], {})
    for _ in range(updates):
        cohort.step()
    return cohort.network.layout.views(cohort.parameters[0])


def test_it_is_trained_and_decayed_as_other_parameters():
    plain = replace(BASE, optimizer="sgd", lr=0.1, updates=2)
    one = trained_row(plain, 2)["0.initial_h"]
    assert one.all()
    cohort = Cohort([plain], {})
    cohort.step()
    first = cohort.network.layout.views(cohort.parameters[0])["0.initial_h"].clone()
    decayed = Cohort([replace(plain, weight_decay=0.5)], {})
    decayed.step()
    assert torch.equal(decayed.network.layout.views(decayed.parameters[0])["0.initial_h"], first), "from zeros"
    decayed.parameters.copy_(cohort.parameters)
    cohort.step()
    decayed.step()
    ends = [of.network.layout.views(of.parameters[0])["0.initial_h"] for of in (cohort, decayed)]
    torch.testing.assert_close(ends[1], ends[0] - 0.1 * 0.5 * first)


@pytest.mark.parametrize("wanted", [{}, {"layers": 2, "skip": "highway", "cell": "gru"}, {"optimizer": "muon"}])
def test_company_and_dropped_updates_change_nothing(wanted):
    base = replace(BASE, **wanted)
    trials = [replace(base, clip=clip, seed=seed) for seed, clip in enumerate(("none", "skip:0.5", "layer:0.1"))]
    trials.append(replace(base, clip="norm:1", lr=1e4))
    together = results_of(*trials)
    for trial in trials:
        assert results_of(trial)[trial] == together[trial]
    assert together[trials[1]].clipped_fraction > 0


@pytest.mark.parametrize("clip", ["norm:1+omega:2", "state:1e-4"])
def test_what_acts_inside_the_backward_pass_acts_beside_it(clip):
    """Each run holds the signals against the equations; a fault would end it."""
    (result,) = results_of(replace(BASE, clip=clip, truncate=2)).values()
    assert result.updates == 4


def test_an_encoder_learns_where_it_starts_and_the_decoder_goes_on_from_there():
    trial = replace(BASE, task="reverse:items=3,symbols=3", cell="gru", decoder_cell="gru", decoder_layers=1)
    network = network_of(trial)
    assert [slot.name for slot in network.layout.slots if "initial" in slot.name] == ["encoder.0.initial_h"]
    assert trained_row(trial)["encoder.0.initial_h"].all()
    (result,) = results_of(trial).values()
    assert result.updates == 4


@pytest.mark.parametrize(("cell", "message"), [
    ("transformer", "cell transformer carries no state from step to step: initial_state must be zeros"),
    ("tcn", "cell tcn carries no state from step to step: initial_state must be zeros"),
    ("torchrecurrent", "cell torchrecurrent is a module, which makes its own states: initial_state must be zeros"),
])  # fmt: skip
def test_what_has_no_states_of_its_own_is_refused(cell, message):
    if cell == "torchrecurrent":
        pytest.importorskip("torchrecurrent")
    with pytest.raises(UsageError, match=message):
        adhoc(task="adding:length=5", cell=cell, initial_state="learned").trials()


def test_a_grid_spans_it_and_old_keys_stay():
    one, other = adhoc(task="adding:length=5", cell="lstm", initial_state=("zeros", "learned"), seeds=1).trials()
    assert one.key == adhoc(task="adding:length=5", cell="lstm", seeds=1).trials()[0].key != other.key
    assert other.wiring.words == ["initial state learned"]
