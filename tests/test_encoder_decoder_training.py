"""Encoder-decoders in training: the same bytes in any company, every cell in either part, and what is refused."""

from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from longlag import registry
from longlag.cells.base import Cell
from longlag.cli import main
from longlag.networks.build import network_of
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.plan.sizes import matched
from longlag.plan.study import adhoc
from longlag.regression.judge.invariants import kernel_as_readable
from longlag.run.costs import cohort_size, expected_seconds
from longlag.store.results import load
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.training import checkpoints, evaluation
from longlag.training.cohort import train
from longlag.values.trial import Status, Trial
from longlag.values.wiring import SKIPS

REVERSE = "reverse:items=2-4,symbols=3"
BASE = Trial(
    REVERSE, "gru", "none", 0.01, 0, hidden_size=4, batch_size=3, updates=4, eval_every=2, layers=2,
    decoder_cell="gru", decoder_layers=2, decoder_cell_version=1,
)  # fmt: skip
CELLS = registry.names("cell")


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 80)


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(
    "other",
    [
        {"decoder_cell": "lstm", "direction": "bidirectional", "normalisation": "layer"},
        {"cell": "lstm", "decoder_cell": "lstm", "dropout": 0.3, "decoder_layers": 3},
        {"cell": "mgu", "decoder_cell": "gru", "layers": 3, "task": "translate:items=3,words=3"},
    ],
    ids=lambda other: "-".join(map(str, other.values())),
)
def test_alone_together_and_in_another_order_give_the_same_bytes(skip, other):
    base = replace(BASE, skip=skip, **other)
    trials = [replace(base, clip=clip, seed=seed) for clip, seed in [("none", 0), ("norm:0.1", 0), ("none", 1)]]
    wild = replace(base, clip="norm:1", lr=1e39)
    together = results_of(*trials, wild)
    assert together.pop(wild).status is Status.DIVERGED
    assert together == results_of(*reversed(trials))
    assert results_of(trials[1])[trials[1]] == together[trials[1]]
    assert {result.status for result in together.values()} <= {Status.SOLVED, Status.UNSOLVED}
    assert {result.path for result in together.values()} == {"readable" if base.cell == "mgu" else "fused"}
    assert len({result.fingerprint for result in together.values()}) == 3


@pytest.mark.parametrize("cell", [name for name in CELLS if isinstance(registry.cell(name), Cell)])
def test_every_cell_trains_in_either_part(cell):
    size = 4 * registry.cell(cell).width_step
    pairs = [{"cell": cell, "decoder_cell": cell}, {"cell": cell}, {"decoder_cell": cell}]
    for place, pair in enumerate(pairs):
        wiring = {"skip": list(SKIPS)[place], "direction": "bidirectional" if place else "forward"}
        trial = replace(BASE, **pair, **wiring, hidden_size=size, updates=2, eval_every=1)
        result = results_of(trial)[trial]
        assert result.status in (Status.SOLVED, Status.UNSOLVED)
        assert result.measurements[0].loss != result.measurements[-1].loss


def test_the_kernels_gradient_is_the_readable_paths():
    assert kernel_as_readable(BASE).startswith("the kernel's gradient equals the readable path's")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reverse:items=2-5,symbols=4", "translate:items=4,words=4"])
def test_an_encoder_decoder_learns_to_write(task, monkeypatch):
    monkeypatch.undo()
    trial = replace(
        BASE, task=task, layers=1, decoder_layers=1, hidden_size=32, batch_size=32, updates=2000, eval_every=100,
        clip="norm:1",
    )  # fmt: skip
    result = results_of(trial)[trial]
    assert result.status is Status.SOLVED
    assert result.confirmed_error < 0.01


# Values


def test_a_decoder_is_in_the_key_and_in_no_other_trials():
    plain = replace(BASE, decoder_cell="none", decoder_layers=0, decoder_cell_version=0)
    others = [{"decoder_cell": "lstm"}, {"decoder_layers": 1}, {"decoder_cell_version": 2}]
    assert len({plain.key, BASE.key, *(replace(BASE, **other).key for other in others)}) == 5


def test_each_encoder_meets_each_decoder_once_and_those_without_are_left_alone():
    trials = adhoc(
        task=REVERSE, cell="gru", layers=[1, 2], skip=["none", "dense"], decoder_cell=["none", "lstm"],
        decoder_layers=[1, 2], seeds=1,
    ).trials()  # fmt: skip
    found = [(t.layers, t.skip, t.decoder_cell, t.decoder_layers, t.decoder_cell_version) for t in trials]
    alone = [(1, "none", "none", 0, 0), (2, "none", "none", 0, 0), (2, "dense", "none", 0, 0)]
    both = [(1, "none", "lstm", 1, 1)]
    deep = [(1, 2), (2, 1), (2, 2)]
    both += [(layers, skip, "lstm", more, 1) for layers, more in deep for skip in ("none", "dense")]
    assert sorted(found) == sorted(alone + both)
    one = adhoc(task=REVERSE, cell="gru", decoder_cell="gru:reset=after", seeds=1).trials()
    assert [(trial.decoder_cell, trial.decoder_layers) for trial in one] == [("gru", 1)]


def test_a_decoders_plugin_is_part_of_the_trial(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from longlag.cells.gru import Gru\n\n\nclass Mine(Gru):\n    reference = 'a copy'\n")
    registry.use([path])
    try:
        (trial,) = adhoc(task=REVERSE, cell="gru", decoder_cell="mine", seeds=1, lr=0.01).trials()
        assert trial.plugins.startswith("mine:")
    finally:
        registry.use([])


def test_the_hidden_size_fits_both_cells_and_the_target():
    trial = replace(BASE, cell="gru", decoder_cell="lstm")
    size, match = matched(trial, "parameters", 5000)
    found = network_of(replace(trial, hidden_size=size))
    assert isinstance(found, EncoderDecoder)
    assert match.reached == found.layout.num_parameters
    assert abs(match.distance) < 0.03


def test_sequences_that_end_apart_cost_more():
    equal, unequal = (replace(BASE, task=f"reverse:items={items}", batch_size=32) for items in ("10", "2-10"))
    assert expected_seconds(unequal) > 2 * expected_seconds(equal)


def test_more_layers_cost_more():
    assert expected_seconds(replace(BASE, decoder_layers=4)) > expected_seconds(BASE)
    assert expected_seconds(replace(BASE, decoder_cell="mgu")) > expected_seconds(BASE)
    wide = replace(BASE, task="reverse:items=500", hidden_size=128, batch_size=128)
    assert cohort_size(replace(wide, decoder_layers=32), 2**33, 8) <= cohort_size(wide, 2**33, 8)


# By command


@pytest.mark.usefixtures("nothing_drawn")
def test_a_run_is_stored_shown_exported_and_kept(tmp_path):
    options = ["run", "--task", REVERSE, "--cell", "gru", "--decoder-cell", "lstm", "--decoder-layers", "2",
               "--updates", "2", "--seeds", "1", "--hidden-size", "4", "--name", "pair", "--workers", "1",
               "--keep-networks", "--results", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    assert "decoder LSTM, 2 decoder layers" in " ".join(result.stdout.split())
    (row,) = load("pair", tmp_path).to_dict("records")
    assert (row["decoder_cell"], row["decoder_layers"], row["decoder_cell_version"]) == ("lstm", 2, 1)
    with Store.open_for_reading(store_path("pair", tmp_path)) as store:
        stored = store.result(row["key"])
    assert stored.trial.decoder_layers == 2
    again = checkpoints.load_network(checkpoints.path_of(checkpoints.folder_of("pair", tmp_path), row["key"]))
    assert again.network == network_of(stored.trial)
    assert torch.isfinite(again.row).all()


# Bad input

REFUSED = [
    ({"decoder_cell": "lsmt"}, "decoder_cell: no cell is called 'lsmt'; did you mean lstm?"),
    ({"decoder_cell": "gru:rest=after"}, "decoder_cell: cell gru has no option 'rest'; did you mean reset?"),
    ({"decoder_layers": 2}, "--decoder-layers needs --decoder-cell, the cell of the decoder"),
    ({"decoder_cell": "none", "decoder_layers": 1}, "--decoder-layers needs --decoder-cell, the cell of the decoder"),
    ({"decoder_layers": 0}, "--decoder-layers must be a whole number from 1 to 32, not 0"),
    ({"decoder_layers": 10**6}, "--decoder-layers must be a whole number from 1 to 32, not 1000000"),
    ({"decoder_cell": ["gru", "gru:reset=after"]}, "decoder_cell 'gru:reset=after' is given twice, before as 'gru'"),
    ({"decoder_cell": "gru", "skip": "dense"}, "--skip acts between layers: it needs --layers of 2 or more"),
    ({"decoder_cell": "gru", "task": "copy"}, "decoder_cell gru: task copy has no output sequence"),
    ({"decoder_cell": "gru", "task": "agreement"}, "decoder_cell gru: task agreement has no output sequence"),
    ({"decoder_cell": "transformer"}, "decoder_cell transformer runs over whole sequences"),
    ({"decoder_cell": "gru", "cell": "tcn"}, "cell tcn runs over whole sequences"),
    ({"decoder_cell": "gru", "clip": "state:1"}, "decoder_cell gru: clip state:1 works within one scan"),
    ({"decoder_cell": "gru", "clip": "norm:1+omega:2"}, "clip norm:1+omega:2 works within one scan"),
    ({"decoder_cell": "gru", "truncate": 2}, "decoder_cell gru: truncate 2 works within one scan"),
    ({"decoder_cell": "gru", "match": "parameters", "match_target": 3}, "has at least"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_cannot_be_is_refused_with_its_rule(options, said):
    with pytest.raises(UsageError) as caught:
        adhoc(**({"task": REVERSE, "cell": "gru"} | options)).trials()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_odd_hidden_size_is_refused_for_the_decoder_too(monkeypatch):
    cell = type(registry.cell("lstm"))
    monkeypatch.setattr(cell, "width_step", 4)
    with pytest.raises(UsageError, match=r"cell gru with decoder_cell lstm: .* multiple of 4, not 6; .* 4 or 8"):
        adhoc(task=REVERSE, cell="gru", decoder_cell="lstm", hidden_size=6).trials()


def test_a_refused_command_writes_nothing(tmp_path):
    options = ["run", "--task", "copy", "--cell", "gru", "--decoder-cell", "gru", "--results", str(tmp_path / "new")]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
