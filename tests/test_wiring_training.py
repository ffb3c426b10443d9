"""Networks of every wiring in training: the same bytes in any company, dropout by name, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.networks.layers import Layers
from longlag.networks.recurrent import Network
from longlag.plan.study import adhoc
from longlag.process import state
from longlag.run.costs import cohort_size, expected_seconds
from longlag.store.store import Store, store_path
from longlag.tasks.parity import Parity
from longlag.tasks.support.errors import UsageError
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial
from longlag.values.wiring import DIRECTIONS, NORMALISATIONS, SKIPS, Wiring

pytestmark = pytest.mark.usefixtures("nothing_drawn")

PARITY = "parity:steps=2-6"
BASE = Trial(PARITY, "rnn", "none", 0.01, 0, hidden_size=5, batch_size=3, updates=4, eval_every=2, layers=3)
ALL = [
    {"skip": skip, "direction": direction, "normalisation": normalisation, "dropout": dropout}
    for skip in SKIPS
    for direction in DIRECTIONS
    for normalisation in NORMALISATIONS
    for dropout in (0.0, 0.3)
]


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 80)


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


@pytest.mark.parametrize("cell", ["gru", *(pytest.param(cell, marks=pytest.mark.slow) for cell in ("lstm", "mgu"))])
@pytest.mark.parametrize("wiring", ALL, ids=lambda wiring: "-".join(map(str, wiring.values())))
def test_alone_together_and_in_another_order_give_the_same_bytes(cell, wiring):
    base = replace(BASE, cell=cell, **wiring)
    trials = [replace(base, clip=clip, seed=seed) for clip, seed in [("none", 0), ("norm:0.1", 0), ("none", 1)]]
    together = results_of(*trials)
    assert together == results_of(*reversed(trials))
    assert results_of(trials[1])[trials[1]] == together[trials[1]]
    assert {result.status for result in together.values()} <= {Status.SOLVED, Status.UNSOLVED}
    assert {result.path for result in together.values()} == {"readable" if cell == "mgu" else "fused"}
    if wiring["dropout"]:
        wild = replace(base, clip="norm:1", lr=1e39)
        beside = results_of(wild, *trials)
        assert beside.pop(wild).status is Status.DIVERGED
        assert beside == together


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("cell", [name for name in registry.names("cell") if name not in ("gru", "lstm", "mgu")])
def test_every_cell_trains_in_depth_with_every_skip_and_direction(cell, skip, direction):
    trial = replace(BASE, cell=cell, skip=skip, direction=direction, layers=2, hidden_size=4, updates=2, eval_every=1)
    result = results_of(trial)[trial]
    assert result.status in (Status.SOLVED, Status.UNSOLVED)
    assert result.measurements[0].loss != result.measurements[-1].loss


# Dropout


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_dropout_sets_its_share_of_what_was_normalised_to_zero_and_scales_the_rest(normalisation, monkeypatch):
    task, seen = Parity(), []
    network = Network.for_task(registry.cell("gru"), task, 20, Wiring(3, normalisation=normalisation, dropout=0.25))
    batch = task.draw(stream("test").generator(), 30)
    scanned = Layers._scanned

    def watched(layers, layer, inputs, *others):
        seen.append(inputs)
        return scanned(layers, layer, inputs, *others)

    monkeypatch.setattr(Layers, "_scanned", watched)
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    dropped = network.states(views, batch.inputs, noise=np.random.default_rng(0))
    whole = network.states(views, batch.inputs)
    first, second, third, *kept = seen
    assert torch.equal(first, batch.inputs)
    share = (second == 0).double().mean().item()
    assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / second.numel()) ** 0.5)
    torch.testing.assert_close(second, torch.where(second == 0, 0.0, kept[1] / 0.75))
    assert not torch.equal(second == 0, third == 0)
    assert (dropped != 0).all(), "what leaves the top layer is left alone"
    assert (whole != dropped).any()


def test_a_gradient_is_that_of_what_was_not_dropped():
    task = Parity()
    network = Network.for_task(registry.cell("gru"), task, 5, Wiring(2, dropout=0.5))
    batch, row = task.draw(stream("test").generator(), 3), torch.from_numpy(network.initial_row(0))
    gradients = torch.zeros(2, len(row), dtype=row.dtype)
    losses = [
        network.gradient(task, row, gradient, batch, noise)
        for gradient, noise in zip(gradients, (np.random.default_rng(0), None), strict=True)
    ]
    views = network.layout.views(row)
    torch.testing.assert_close(losses[0], task.loss(network.outputs(views, batch, np.random.default_rng(0)), batch))
    torch.testing.assert_close(losses[1], task.loss(network.outputs(views, batch), batch))
    assert losses[0] != losses[1]
    assert not torch.allclose(*gradients)


def test_dropout_is_named_by_task_cell_seed_and_update(monkeypatch):
    base = replace(BASE, dropout=0.5)

    def masks(trial, update):
        return Cohort([trial], {}).draws.dropout(update, trial.seed).random(3).tolist()

    assert masks(base, 2) == masks(replace(base, clip="norm:1", lr=1.0), 2)
    others = [masks(base, 3), masks(replace(base, seed=1), 2), masks(replace(base, cell="gru"), 2)]
    assert masks(base, 2) not in others
    assert Cohort([BASE], {}).draws.dropout(1, BASE.seed) is None


def test_evaluation_drops_nothing():
    with state.arithmetic():
        cohort = Cohort([replace(BASE, dropout=0.9)], {})
        without = Cohort([BASE], {})
        args = cohort.task, cohort.parameters[0]
        assert torch.equal(cohort.parameters, without.parameters)
        assert evaluation.evaluate(cohort.network, *args) == evaluation.evaluate(without.network, *args)


def test_global_random_states_are_left_alone_by_dropout():
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), str(np.random.get_state())
    results_of(replace(BASE, dropout=0.5))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


# Values


def test_defaults_are_not_in_the_key_and_others_are():
    known = Trial("copy:items=2,symbols=3,blanks=3", "rnn", "none", 0.01, 0, layers=2)
    assert known.key == "c0b3b886f7ef308f"
    keys = {replace(known, **wiring).key for wiring in ALL}
    assert len(keys) == len(ALL)


def test_one_layer_has_nothing_between_layers():
    trials = adhoc(task=PARITY, cell="rnn", layers=[1, 2], skip=list(SKIPS), dropout=[0.0, 0.5], seeds=1).trials()
    assert [(trial.layers, trial.skip, trial.dropout) for trial in trials[:2]] == [(1, "none", 0.0), (2, "none", 0.0)]
    assert len(trials) == 1 + 4 * 2


def test_initial_weights_are_shared_where_shapes_agree():
    rows = {}
    for wiring in (Wiring(2), Wiring(2, "residual"), Wiring(2, "highway"), Wiring(2, normalisation="layer")):
        network = Network.for_task(registry.cell("gru"), Parity(), 5, wiring)
        rows[wiring] = network.layout.views(torch.from_numpy(network.initial_row(0)))
    first, *others = rows.values()
    assert all(torch.equal(views[name], value) for views in others for name, value in first.items())
    both = Network.for_task(registry.cell("gru"), Parity(), 5, Wiring(2, direction="bidirectional"))
    views = both.layout.views(torch.from_numpy(both.initial_row(0)))
    assert torch.equal(views["0.input_weight"], first["0.input_weight"])
    assert not torch.equal(views["0-backward.input_weight"], views["0.input_weight"])


def test_two_directions_count_twice():
    one, two = (
        Network.for_task(registry.cell("lstm"), Parity(), 5, Wiring(3, direction=direction)) for direction in DIRECTIONS
    )
    assert two.state_size == 2 * one.state_size == 2 * 3 * 2 * 5
    layer = {size: 4 * 5 * (size + 5 + 1) for size in (2, 5, 10)}
    assert one.layout.num_parameters == layer[2] + 2 * layer[5] + 2 * (5 + 1)
    assert two.layout.num_parameters == 2 * layer[2] + 4 * layer[10] + 2 * (10 + 1)


def test_more_is_expected_to_cost_more():
    plain = expected_seconds(BASE)
    for more in ({"direction": "bidirectional"}, {"layers": 9}, {"skip": "dense"}, {"layers": 9, "skip": "highway"}):
        assert expected_seconds(replace(BASE, **more)) > plain
    wide = replace(BASE, task="parity:steps=2000", hidden_size=128, layers=16, batch_size=128)
    assert cohort_size(replace(wide, skip="dense"), 2**33, 8) <= cohort_size(wide, 2**33, 8)
    some, many = (replace(BASE, cell=f"selective:numbers={numbers}", batch_size=128) for numbers in (1, 1024))
    assert expected_seconds(many) > 2 * expected_seconds(some)
    assert cohort_size(many, 2**24, 8) < cohort_size(some, 2**24, 8)


# Bad input

REFUSED = [
    ({"layers": 0}, "--layers must be a whole number from 1 to 32, not 0"),
    ({"layers": 10**6}, "--layers must be a whole number from 1 to 32, not 1000000"),
    (
        {"layers": 2, "skip": "residal"},
        "--skip must be none, residual, dense or highway, not 'residal'; did you mean residual?",
    ),
    ({"direction": "both"}, "--direction must be forward or bidirectional, not 'both'"),
    ({"layers": 2, "normalisation": "batch"}, "--normalisation must be none or layer, not 'batch'"),
    ({"layers": 2, "dropout": 1.0}, "--dropout must be a number from 0 to below 1, not 1.0"),
    ({"layers": 2, "dropout": -0.1}, "--dropout must be a number from 0 to below 1, not -0.1"),
    ({"layers": 2, "dropout": float("nan")}, "--dropout must be a number from 0 to below 1, not nan"),
    ({"dropout": 0.5}, "--dropout acts between layers: it needs --layers of 2 or more"),
    ({"skip": "dense"}, "--skip acts between layers: it needs --layers of 2 or more"),
    ({"normalisation": "layer"}, "--normalisation acts between layers: it needs --layers of 2 or more"),
    ({"direction": ["forward", "forward"]}, "--direction has forward twice"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_its_rule(options, message):
    with pytest.raises(UsageError) as refused:
        adhoc(task=PARITY, cell="rnn", **options)
    assert str(refused.value) == message


def test_the_command_line_refuses_in_one_line_and_writes_nothing(tmp_path):
    words = ["run", "--task", "agreement", "--cell", "lstm", "--direction", "bidirectional", "--results", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert (
        result.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "task agreement shows its answers at later inputs: a bidirectional network would see them; "
            "direction must be forward"
        )
    )
    assert list(tmp_path.iterdir()) == []


# Stored


def test_a_run_of_two_wirings_is_stored_shown_and_resumed(tmp_path, monkeypatch):
    monkeypatch.undo()  # workers evaluate on all sequences
    words = ["run", "--task", PARITY, "--cell", "rnn", "--layers", "2", "--skip", "none", "--skip", "residual"]
    words += ["--dropout", "0.2", "--direction", "bidirectional", "--normalisation", "layer", "--hidden-size", "4"]
    words += ["--seeds", "2", "--updates", "4", "--eval-every", "2", "--workers", "1", "--name", "mine"]
    words += ["--results", str(tmp_path)]
    first = CliRunner().invoke(main, words)
    assert first.exit_code == 0, first.stderr
    assert "residual" in first.stdout
    assert "bidirectional" in first.stdout
    again = CliRunner().invoke(main, words)
    assert "0 to train" in again.stderr
    assert again.stdout == first.stdout
    with Store.open_for_reading(store_path("mine", tmp_path)) as store:
        result = store.result(sorted(store.stored())[0])
    assert replace(result.trial.wiring, skip="none") == Wiring(2, "none", "bidirectional", "layer", 0.2)
    rerun = CliRunner().invoke(main, ["rerun", result.trial.key, "--results", str(tmp_path)])
    assert "all numbers are the same, in every evaluation" in rerun.stdout
