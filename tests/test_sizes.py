"""Hidden sizes that are picked: nearest to the target, near enough or with the reason, and refused out of reach."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.networks.build import network_of
from longlag.plan import files
from longlag.plan.sizes import TOLERANCE, matched
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.report.summary import summarise
from longlag.report.text.tables import readable
from longlag.store.results import load, load_study
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, Trial, TrialResult

ADDING = "adding:length=20"
CELLS = [name for name in registry.shipped("cell") if name != "torchrecurrent"]  # an extra, perhaps not installed


def a_trial(**settings: object) -> Trial:
    return Trial(**({"task": ADDING, "cell": "gru", "clip": "none", "lr": 0.01, "seed": 0} | settings))


def sized(trial: Trial, hidden_size: int) -> Trial:
    return Trial(**({name: getattr(trial, name) for name in Trial.__dataclass_fields__} | {"hidden_size": hidden_size}))


@pytest.mark.parametrize(("layers", "target"), [(1, 20_000), (3, 20_000), (3, 150_000)])
@pytest.mark.parametrize("task", [ADDING, "copy"])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_reaches_a_number_of_parameters(name: str, task: str, layers: int, target: int) -> None:
    trial = a_trial(cell=name, task=task, layers=layers)
    size, match = matched(trial, "parameters", target)
    assert match.reached == network_of(sized(trial, size)).layout.num_parameters
    assert abs(match.distance) <= TOLERANCE
    assert match.note == ""


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_reaches_a_size_of_state_or_says_why_not(name: str) -> None:
    size, match = matched(a_trial(cell=name), "state", 2400)
    assert match.reached == network_of(a_trial(cell=name, hidden_size=size)).state_size
    assert (abs(match.distance) <= TOLERANCE) == (match.note == "")


@pytest.mark.parametrize("target", [117, 500, 501, 502, 4321])
@pytest.mark.parametrize("name", ["rnn", "lstm", "rhn", "exprnn"])
def test_no_other_size_comes_nearer(name: str, target: int) -> None:
    trial = a_trial(cell=name, layers=2)
    away = [abs(network_of(sized(trial, size)).layout.num_parameters - target) for size in range(1, 80)]
    assert matched(trial, "parameters", target)[0] == 1 + away.index(min(away))


def test_a_coarse_match_says_what_its_neighbours_have() -> None:
    size, match = matched(a_trial(cell="lstm"), "parameters", 200)
    assert (size, match.reached) == (6, 4 * 6 * (2 + 6 + 1) + 6 + 1)
    assert match.note == "sizes 5 and 6 have 166 and 223"


def test_a_hidden_size_as_the_target_is_that_size() -> None:
    assert matched(a_trial(), "hidden", 37)[0] == 37


def test_a_match_leaves_the_identity_to_the_size_it_picks() -> None:
    options = {"task": ADDING, "cell": "gru", "seeds": 1}
    (trial,) = adhoc(**options, match="parameters", match_target=5000).trials()
    (plain,) = adhoc(**options, hidden_size=trial.hidden_size).trials()
    assert trial.key == plain.key


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"match": "parameters", "match_target": 14}, "gru on adding:length=20 has at least 15 .*hidden size of 1"),
        ({"match": "state", "match_target": 20_000}, "at most 16384 numbers of state, with a hidden size of 16384"),
        ({"match": "parameters", "match_target": 10**12}, "has at most .* parameters, with a hidden size of 16384"),
        ({"match": "parametres", "match_target": 9}, "--match must be hidden, parameters or state.*did you mean para"),
        ({"match": "state", "match_target": 0}, "--match-target must be a whole number from 1"),
        ({"match": "state"}, "--match needs --match-target"),
        ({"match_target": 100}, "--match-target needs --match"),
        ({"match": "state", "match_target": 9, "hidden_size": 3}, "leave --hidden-size out"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_one_line(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        adhoc(task=ADDING, cell="gru", **options).trials()
    assert "\n" not in str(refusal.value)


FILE = """
title = "Matched"
[[grids]]
task = "adding:length=20"
cell = ["rnn", "lstm"]
lr = 0.01
seeds = 1
match = "parameters"
match_target = 3000
"""


def matched_study(folder: Path, text: str = FILE) -> Study:
    (folder / "fair.toml").write_text(text)
    return files.read(folder / "fair.toml")


def test_a_study_file_matches_too(tmp_path: Path) -> None:
    sizes = {trial.cell: trial.hidden_size for trial in matched_study(tmp_path).trials()}
    assert sizes == {"rnn": 53, "lstm": 26}


def test_a_hidden_size_on_the_command_line_replaces_a_match(tmp_path: Path) -> None:
    replaced = matched_study(tmp_path).replaced(hidden_size=7)
    assert {trial.hidden_size for trial in replaced.trials()} == {7}
    assert not any(planned.match for planned in replaced.planned)


def test_another_target_on_the_command_line_replaces_the_files(tmp_path: Path) -> None:
    study = matched_study(tmp_path).replaced(match_target=600)
    assert {planned.match.target for planned in study.planned} == {600}


def test_a_file_with_a_match_and_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fair.toml: grids 1: match picks the hidden size"):
        matched_study(tmp_path, FILE + "hidden_size = 4\n")


def test_tables_and_exports_say_what_was_reached(tmp_path: Path) -> None:
    study = matched_study(tmp_path, FILE.replace("3000", "195"))
    with Store.open_for_writing(store_path("fair", tmp_path)) as store:
        store.write_plan("", [(planned.trial, planned.facts) for planned in study.planned])
        for trial in study.trials():
            store.add(TrialResult(trial, Status.UNSOLVED, error=0.1, num_parameters=1), facts(trial))
    data = load_study("fair", tmp_path)
    table = readable(data, summarise(data)).set_index("cell")
    assert dict(table["hidden size"]) == {"RNN tanh": "12", "LSTM": "6"}
    assert table["matched"]["RNN tanh"] == "193 parameters (-1.0 %)"
    assert table["matched"]["LSTM"] == ("223 parameters (+14.4 %): sizes 5 and 6 have 166 and 223")
    exported = load("fair", tmp_path).set_index("cell")
    assert exported["match_reached"]["lstm"] == 223
    assert exported["match_target"]["rnn"] == 195


def test_sizes_that_were_given_are_said_to_match_nothing(tmp_path: Path) -> None:
    study = adhoc("plain", task=ADDING, cell="rnn", seeds=1)
    with Store.open_for_writing(store_path("plain", tmp_path)) as store:
        store.write_plan("", [(trial, facts(trial)) for trial in study.trials()])
    data = load_study("plain", tmp_path)
    assert "matched" not in summarise(data)
    assert load_study("plain", tmp_path).plan["match_target"].isna().all()
    assert isinstance(data.plan, pd.DataFrame)


def test_a_plan_shows_what_was_picked() -> None:
    command = ["plan", "--task", ADDING, "--cell", "gru", "--match", "parameters", "--match-target", "3000"]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0
    size, match = matched(a_trial(), "parameters", 3000)
    assert f"gru on {ADDING}, hidden size {size}: {match.reached} parameters" in found.output


def test_a_plan_tells_networks_of_other_wirings_apart() -> None:
    command = ["plan", "--task", ADDING, "--cell", "gru", "--match", "parameters", "--match-target", "3000"]
    command += ["--layers", "3", "--skip", "none", "--skip", "dense", "--direction", "bidirectional"]
    lines = [line for line in CliRunner().invoke(main, command).output.splitlines() if "hidden size" in line]
    assert len(lines) == 2
    assert "3 layers, direction bidirectional: " in lines[0]
    assert "3 layers, skip dense, direction bidirectional: " in lines[1]
