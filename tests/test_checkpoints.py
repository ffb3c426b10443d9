"""Networks that are kept: the same bytes however they were trained, the same answers when read, one line when bad."""

import json
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from longlag.networks.build import network_of
from longlag.plan.study import Study, adhoc
from longlag.run.plan import Plan, Retrain
from longlag.run.run import RunOptions, run
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.training import checkpoints
from longlag.training.cohort import train
from longlag.training.evaluation import evaluate
from longlag.values.trial import Status, Trial, TrialResult

TASK = "copy:items=1,symbols=2,blanks=2"


class Silent:
    def started(self, plan: Plan) -> None:
        self.plan = plan

    def finished(self, result: TrialResult) -> None:
        pass


def small(**options: object) -> Study:
    given = {"task": (TASK,), "cell": ("gru", "rnn"), "updates": 10, "eval_every": 5, "seeds": 2, "lr": (0.01,)}
    return adhoc("small", **(given | {"hidden_size": 5, "batch_size": 3} | options))


def go(study: Study, results: Path, workers: int = 1, keep: bool = True) -> Plan:
    seen = Silent()
    run(study, results, RunOptions(workers, 60, retrain=Retrain(keep_networks=keep)), seen)
    return seen.plan


def networks(results: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in checkpoints.folder_of("small", results).iterdir()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The network of one trial, trained here."""
    trial = Trial(TASK, "gru", "norm:1", 0.01, 0, hidden_size=5, batch_size=3, updates=4, eval_every=4)
    train([trial], lambda _: None, keep=lambda *trained: checkpoints.keep(tmp_path, *trained))
    return checkpoints.path_of(tmp_path, trial.key)


def test_a_network_is_in_its_file_before_its_trial_is_reported(tmp_path: Path) -> None:
    trial = Trial(TASK, "rnn", "none", 0.01, 0, hidden_size=5, batch_size=3, updates=4, eval_every=4)
    kept = []

    def report(one: TrialResult) -> None:
        kept.append(checkpoints.is_kept(tmp_path, one.trial.key, one.fingerprint))

    train([trial], report, keep=lambda *trained: checkpoints.keep(tmp_path, *trained))
    assert kept == [True]


def test_networks_have_the_same_bytes_from_one_worker_two_and_a_resumed_run(tmp_path: Path) -> None:
    go(small(), tmp_path / "one")
    go(small(), tmp_path / "two", workers=2)
    go(small(seeds=1), tmp_path / "resumed", workers=2)
    go(small(), tmp_path / "resumed")
    first = networks(tmp_path / "one")
    assert sorted(first) == sorted(f"{trial.key}.safetensors" for trial in small().trials())
    assert first == networks(tmp_path / "two") == networks(tmp_path / "resumed")


def test_keeping_networks_changes_neither_keys_nor_results(tmp_path: Path) -> None:
    go(small(), tmp_path / "kept")
    go(small(), tmp_path / "bare", keep=False)
    with (
        Store.open_for_reading(store_path("small", tmp_path / "kept")) as one,
        Store.open_for_reading(store_path("small", tmp_path / "bare")) as other,
    ):
        assert one.fingerprints() == other.fingerprints()
        assert len(one.fingerprints()) == 4
    assert not checkpoints.folder_of("small", tmp_path / "bare").exists()


def test_stored_trials_without_their_network_are_trained_again(tmp_path: Path) -> None:
    go(small(), tmp_path, keep=False)
    assert len(go(small(), tmp_path, keep=False).missing) == 0
    plan = go(small(), tmp_path)
    assert (len(plan.missing), plan.without_network) == (4, 4)
    assert len(go(small(), tmp_path).missing) == 0


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-4])])
def test_a_lost_or_torn_network_is_trained_again_and_the_others_are_not(spoil, tmp_path: Path) -> None:
    go(small(), tmp_path)
    before = networks(tmp_path)
    key = small().trials()[0].key
    spoil(checkpoints.path_of(checkpoints.folder_of("small", tmp_path), key))
    assert [trial.key for trial in go(small(), tmp_path).missing] == [key]
    assert networks(tmp_path) == before


def test_a_network_of_another_end_of_the_same_trial_is_not_taken_for_the_stored_one(tmp_path: Path) -> None:
    go(small(), tmp_path)
    folder, key = checkpoints.folder_of("small", tmp_path), small().trials()[0].key
    assert checkpoints.is_kept(folder, key, checkpoints.load_network(checkpoints.path_of(folder, key)).fingerprint)
    assert not checkpoints.is_kept(folder, key, "0" * 16)


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    folder = checkpoints.folder_of("small", tmp_path)
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef.77.part").write_bytes(b"half")
    go(small(), tmp_path)
    assert {Path(name).suffix for name in networks(tmp_path)} == {".safetensors"}


def test_a_diverged_trial_leaves_no_network_and_is_not_tried_again(tmp_path: Path) -> None:
    # A ReLU network under a rate of 1e30 leaves float32 within two updates.
    study = small(cell=("rnn:nonlinearity=relu",), optimizer=("sgd",), seeds=1)
    wild = replace(study, grids=tuple(grid.changed(lr=(1e30,)) for grid in study.grids))  # no command takes it
    go(wild, tmp_path)
    with Store.open_for_reading(store_path("small", tmp_path)) as store:
        assert {row.status for row in store.stored().values()} == {Status.DIVERGED}
    assert not checkpoints.folder_of("small", tmp_path).exists()
    assert len(go(wild, tmp_path).missing) == 0


@pytest.mark.parametrize("cell", ["gru", "lstm", "scornn", "rhn:depth=2"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_read_again_answers_as_it_did(cell: str, dtype: str, tmp_path: Path) -> None:
    trial = Trial(TASK, cell, "none", 0.01, 3, hidden_size=5, layers=2, updates=3, eval_every=3, dtype=dtype)
    found: list[TrialResult] = []
    rows: list[torch.Tensor] = []

    def keep(result, network, row) -> None:
        checkpoints.keep(tmp_path, result, network, row)
        rows.append(row.clone())

    train([trial], found.append, keep=keep)
    again = checkpoints.load_network(checkpoints.path_of(tmp_path, trial.key))
    assert again.trial == trial
    assert again.network == network_of(trial)
    assert again.fingerprint == found[0].fingerprint
    assert torch.equal(again.row, rows[0])
    assert again.row.dtype == rows[0].dtype
    with torch.no_grad():
        assert evaluate(again.network, again.task, again.row).error == found[0].error


def test_a_file_holds_the_tensors_without_padding_and_a_readable_header(file: Path) -> None:
    content = file.read_bytes()
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    about = json.loads(header.pop("__metadata__")["longlag"])
    assert about["trial"]["cell"] == "gru"
    assert header["0.recurrent_weight"]["shape"] == [5, 15]
    assert (
        sum(np.prod(entry["shape"]) for entry in header.values())
        == checkpoints.load_network(file).network.layout.num_parameters
    )


def rewritten(file: Path, change_tensors=None, **change_trial: object) -> Path:
    """Write the file again with a change to its tensors or its trial, under the key of that trial."""
    tensors = load(file.read_bytes())
    made = checkpoints.load_network(file)
    if change_tensors:
        change_tensors(tensors)
    trial = asdict(made.trial) | change_trial
    known = {name: value for name, value in trial.items() if name in Trial.__dataclass_fields__}
    key = replace(made.trial, **known).key
    path = file.with_name(f"{key}.safetensors")
    about = {"trial": trial, "fingerprint": None}
    path.write_bytes(save(tensors, {"longlag": json.dumps(about)}))
    return path


def narrower(tensors: dict[str, np.ndarray]) -> None:
    tensors["0.bias"] = tensors["0.bias"][:-1].copy()


def wider(tensors: dict[str, np.ndarray]) -> None:
    tensors["readout.bias"] = tensors["readout.bias"].astype(np.float64)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (narrower, {}, r"tensor 0.bias is float32 \(14,\), not float32 \(15,\)"),
        (wider, {}, r"tensor readout.bias is float64 .*, not float32"),
        (lambda tensors: tensors.pop("0.bias"), {}, "lacks tensor 0.bias"),
        (lambda tensors: tensors.update(extra=np.zeros(3)), {}, "has tensor extra, which its network lacks"),
        (None, {"hidden_size": 6}, "tensor .* is float32 .*, not float32"),
        (None, {"cell_version": 99}, "trained with version 99 of cell gru, not "),
        (None, {"task_version": 99}, "trained with version 99 of task copy, not "),
        (None, {"cell": "grue"}, "no cell is called 'grue'; did you mean gru"),
        (None, {"plugins": "mine:0123456789abcdef"}, "trained with plugin mine:0123456789abcdef, not none"),
        (None, {"colour": "red"}, "its trial has colour, which this longlag does not know"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_in_one_line(change, options, message: str, file: Path) -> None:
    path = rewritten(file, change, **options)
    with pytest.raises(UsageError, match=message) as refused:
        checkpoints.load_network(path)
    assert "\n" not in str(refused.value)


def test_files_that_are_no_networks_of_ours_are_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    spoilt = {
        "absent": None,
        "empty": b"",
        "text": b"not a network at all",
        "torn": file.read_bytes()[:-8],
        "foreign": save({"weight": np.zeros(2)}, {"framework": "other"}),
        "renamed": file.read_bytes(),
    }
    said = {}
    for name, content in spoilt.items():
        path = tmp_path / f"{name}.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError) as refused:
            checkpoints.load_network(path)
        said[name] = str(refused.value).removeprefix(str(path))
        assert "\n" not in said[name]
    assert said["absent"].startswith(": there is no such file")
    assert all(said[name].startswith(" is not a safetensors file, or damaged") for name in ("empty", "text", "torn"))
    assert said["foreign"].startswith(" was not written by longlag")
    assert said["renamed"].startswith(" holds the network of trial")
