"""Plugins: found by file, part of a trial's key, refused in one line, and never able to stop a study."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from click.testing import CliRunner, Result

from longlag import registry
from longlag.cli import main
from longlag.networks.module_network import ModuleNetwork
from longlag.plan.study import adhoc
from longlag.registry import plugins
from longlag.run.engines.local import LocalEngine
from longlag.run.run import RunOptions, run
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, Trial, TrialResult
from longlag.values.wiring import Wiring

pytestmark = pytest.mark.usefixtures("nothing_drawn")

MODULE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRU(input_size, hidden_size)

    def forward(self, inputs, state):
        return self.cell(inputs, state)
"""
CELL = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from longlag.cells.base import Cell, option

@dataclass(frozen=True)
class Mine(Cell):
    reference: ClassVar[str] = "a test"
    gates: ClassVar[tuple] = ("hidden",)
    states: ClassVar[tuple] = ("h",)

    scale: float = option(1.0, "a factor", low=0)

    def recurrent_shapes(self, hidden_size):
        return {"recurrent_weight": (hidden_size, hidden_size)}

    def step(self, projected, state, weights):
        return (torch.tanh(projected + self.scale * state[0] @ weights["recurrent_weight"]),)
"""
RETURN, OPTION = "return self.cell(inputs, state)", '= option(1.0, "a factor", low=0)'
SMALL = {"task": "copy:items=1,symbols=2,blanks=1", "updates": 4, "eval_every": 2, "hidden_size": 5, "batch_size": 3}
TINY = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
TINY += ["--seeds=1", "--workers=1", "--name=mine"]

Write = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return written


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


# Files that are refused


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("1 / 0", "mine.py", "does not import: ZeroDivisionError: division by zero (line 1 of mine.py)"),
        (
            MODULE.replace("input_size", "width"),
            "mine.py",
            ": module Mine is not a cell: it has __init__(self, width, h",
        ),
        (
            MODULE.replace("s, state)", "s, more, state)"),
            "mine.py",
            "forward(self, inputs, more, state), not ",
        ),
        (
            MODULE.replace("s, state)", "s, state, more)"),
            "mine.py",
            ": it has forward(self, inputs, state, more)",
        ),
        (
            "import broken_aside",
            "mine.py",
            "does not import: ZeroDivisionError: division by zero (line 3 of broken_asi",
        ),
        ("raise ValueError('one\\ntwo')", "mine.py", "does not import: ValueError: one"),
        ("def f(:", "mine.py", "does not import: SyntaxError: invalid syntax"),
        (
            f"{MODULE}torch.set_default_dtype(torch.float64)",
            "mine.py",
            "it changes torch's default dtype for the whole",
        ),
        (
            CELL.replace('("h",)', '("h")'),
            "mine.py",
            "class Mine: states must be a tuple of names, not 'h'; write ('h',)",
        ),
        ("import nothing_of_this_name", "mine.py", "does not import: ModuleNotFoundError: No module named"),
        ("raise SystemExit(0)", "mine.py", "does not import: SystemExit: 0"),
        ("x = 1", "mine.py", "defines no class; it must define one class that is a Task, a Cell, a Clip, an Opt"),
        ("from longlag.cells.lstm import Lstm", "mine.py", "defines no class"),
        (CELL + CELL.replace("Mine", "Other"), "mine.py", "defines 2 classes (Mine, Other); it must define one class"),
        (CELL.replace("def step", "def stp"), "mine.py", "class Mine lacks step"),
        (CELL.replace("    gates:", "    gate:"), "mine.py", "class Mine lacks gates"),
        (CELL.replace("@dataclass(frozen=True)", ""), "mine.py", "needs @dataclass(frozen=True): its option 'scale'"),
        (
            CELL.replace("option(1.0, 'a factor', low=0)".replace("'", '"'), "1.0"),
            "mine.py",
            "scale is not an option; write",
        ),
        (
            CELL.replace(' = option(1.0, "a factor", low=0)', ""),
            "mine.py",
            "scale is not an option; write scale: type = opt",
        ),
        (
            CELL.replace("reference", "version: ClassVar[int] = 0; reference"),
            "mine.py",
            "version must be a whole number",
        ),
        (CELL, "lstm.py", "a cell called 'lstm' is shipped; rename the file"),
        (
            CELL,
            "my-cell.py",
            "'my-cell' must be 1 to 64 letters (a to z, A to Z)",
        ),
        (CELL, "base.py", "'base' is reserved"),
        (CELL, "mine.txt", "is not a Python file (.py)"),
        (
            MODULE.replace("self.cell =", "self.norm = nn.BatchNorm1d(hidden_size); self.cell =").replace(
                "return self.cell(inputs, state)",
                "out, state = self.cell(inputs, state); return self.norm(out.mT).mT, state",
            ),
            "mine.py",
            "buffer 'norm.running_mean' changes when the module runs",
        ),
        (MODULE.replace("super().__init__()", "raise ValueError('no')"), "mine.py", "ValueError: no"),
    ],
)
def test_a_bad_file_gets_one_line_and_nothing_is_written(text: str, name: str, message: str, write: Write) -> None:
    path = write(text, f"plugins/{name}")
    write("\n\n1 / 0", "plugins/broken_aside.py")
    results = Path(path).parent.parent / "results"
    result = call("run", *TINY, "--cell", "mine", "--plugin", path, "--results", str(results))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"longlag: plugin {path}")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not results.exists()


def test_a_file_that_is_not_there_is_named() -> None:
    result = call("list", "cells", "--plugin", "nowhere/mine.py")
    assert (result.exit_code, result.stderr) == (2, "longlag: plugin nowhere/mine.py: No such file or directory\n")


def test_a_file_that_hangs_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "LOAD_SECONDS", 0.2)
    with pytest.raises(UsageError, match=r"mine.py does not import: took longer than 0\.2 s"):
        registry.use([write("while True: pass")])


def test_two_files_of_one_name_are_refused(write: Write) -> None:
    with pytest.raises(UsageError, match="two plugins are called 'mine'"):
        registry.use([write(CELL, "a/mine.py"), write(CELL, "b/mine.py")])
    with pytest.raises(UsageError, match="no cell is called 'mine'"):
        registry.cell("mine")


def test_what_a_task_raises_when_planned_is_one_line(write: Write) -> None:
    path = write((files("longlag.registry.skeletons") / "task.py").read_text().replace("return 0.01", "1 / 0"))
    results = Path(path).parent / "results"
    grid = [part for part in TINY if "task" not in part]
    result = call("run", *grid, "--task", "mine", "--cell", "rnn", "--plugin", path, "--results", str(results))
    assert result.exit_code == 2
    assert result.stderr == f"longlag: plugin {path}: ZeroDivisionError: division by zero (line 63 of mine.py)\n"
    assert not results.exists()


# What a plugin is in a trial


def test_names_and_options_work_as_for_what_is_shipped(write: Write) -> None:
    registry.use([write(CELL)])
    assert registry.cell("mine:scale=2").spec == "mine:scale=2"
    assert "mine" in registry.names("cell")
    with pytest.raises(UsageError, match="no option 'scal'; did you mean scale"):
        registry.cell("mine:scal=2")
    with pytest.raises(UsageError, match="did you mean mine"):
        registry.cell("minee")


def test_a_trial_without_plugins_keeps_its_key() -> None:
    assert Trial("copy", "lstm", "none", 0.01, 0).plugins == ""
    assert adhoc(task="copy", cell="lstm", seeds=1).trials() == [Trial("copy", "lstm", "none", 0.003, 0)]


def test_the_key_follows_the_content_and_not_the_place(write: Write) -> None:
    keys = []
    for text, name in ((CELL, "mine.py"), (CELL, "b/mine.py"), (CELL + "# another\n", "mine.py")):
        registry.use([write(text, name)])
        keys.append(adhoc(cell=("mine", "rnn"), seeds=1, **SMALL).trials())
    (mine, rnn), (moved, _), (edited, same) = keys
    assert mine.key == moved.key != edited.key
    assert rnn.key == same.key
    assert edited.plugins == registry.plugin("cell", "mine").label


def test_other_content_under_the_same_name_is_not_mixed_up(write: Write) -> None:
    registry.use([write(CELL)])
    assert registry.cell("mine").scale == 1
    registry.use([write(CELL.replace("option(1.0", "option(3.0"))])
    assert registry.cell("mine").scale == 3


def test_a_run_stores_path_and_hash_and_an_edited_file_is_trained_anew(write: Write, tmp_path: Path) -> None:
    path = write(MODULE)
    command = [*TINY, "--cell", "mine", "--plugin", path, "--results", str(tmp_path / "results")]
    registry.use([path])
    study = adhoc("mine", cell="mine", seeds=1, **SMALL)
    run(study, tmp_path / "results", RunOptions(1, 60), Mock())
    with Store.open_for_reading(store_path("mine", tmp_path / "results")) as store:
        (row,) = store.trials()
    digest = plugins.read(Path(path)).digest
    assert (row["plugins"], row["environment"]["plugins"]) == (f"mine:{digest}", path)
    assert row["num_parameters"] == 3 * 5 * (4 + 5 + 2) + 2 * (5 + 1)
    assert f"mine:{digest}" in call("export", "mine", "--results", str(tmp_path / "results")).stdout
    assert "to train  0" in call("plan", *command).stdout
    write(MODULE + "# edited\n")
    assert "to train  1" in call("plan", *command).stdout
    _rerun_needs_the_file(row["key"], path, str(tmp_path / "results"))


def _rerun_needs_the_file(key: str, path: str, results: str) -> None:
    assert "give its file by --plugin" in call("rerun", key, "--results", results).stderr
    assert "the file given is mine:" in call("rerun", key, "--plugin", path, "--results", results).stderr
    Path(path).write_text(MODULE)
    assert (
        "all numbers are the same, in every evaluation"
        in call("rerun", key, "--plugin", path, "--results", results).stdout
    )


def test_a_store_from_before_plugins_can_be_read_and_completed(tmp_path: Path) -> None:
    trial = adhoc(cell="rnn", seeds=1, **SMALL).trials()[0]
    path, result = store_path("mine", tmp_path), TrialResult(trial, Status.UNSOLVED, 0.5, updates=4)
    facts = dict.fromkeys(("lag", "min_lag", "baseline_error", "solved_below"), 1)
    facts |= {"error_name": "", "task_options": {}, "cell_options": {}}
    with Store.open_for_writing(path) as store:
        store.write_plan("", [(trial, facts)])
        store.add(result, facts)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("plan", "trials"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN plugins")
        connection.commit()
    with Store.open_for_reading(path) as store:
        assert store.result(trial.key) == result
    with Store.open_for_writing(path) as store:
        store.write_plan("", [(trial, facts)])
        assert store.plan()[0]["plugins"] == ""


# Ordinary modules


def test_a_module_gives_what_it_gives_outside(write: Write) -> None:
    registry.use([write(MODULE)])
    network = ModuleNetwork(registry.cell("mine"), 3, 1, 5)
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    module = torch.nn.GRU(3, 5).double()
    module.load_state_dict({name.removeprefix("0.cell."): view for name, view in views.items() if name[0] == "0"})
    inputs = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(4, 2, 3)
    torch.testing.assert_close(network.states(views, inputs), module(inputs)[0])
    assert network.state_size == 5


def test_a_modules_weights_are_drawn_as_it_draws_them_from_the_seed_alone(write: Write) -> None:
    registry.use([write(MODULE)])
    cell = registry.cell("mine")
    first = cell.initial_weights(3, 400, "test", 0)
    torch.manual_seed(5)
    again, other = cell.initial_weights(3, 400, "test", 0), cell.initial_weights(3, 400, "test", 1)
    assert all((first[name] == again[name]).all() for name in first)
    assert all((first[name] != other[name]).any() for name in first)
    assert 0.0499 < first["cell.weight_hh_l0"].max() <= 0.05  # 1 / sqrt(400)


def test_modules_are_stacked_in_layers(write: Write) -> None:
    registry.use([write(MODULE)])
    network = ModuleNetwork(registry.cell("mine"), 3, 1, 5, Wiring(layers=2))
    assert network.layout.num_parameters == 3 * 5 * (3 + 5 + 2) + 3 * 5 * (5 + 5 + 2) + 6
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    assert network.states(views, torch.ones(4, 2, 3).double()).shape == (4, 2, 5)


# In a running study

FAULTS = {
    "raises": (
        RETURN,
        "raise ValueError('not\\n  today')",
        Status.FAILED,
        "ValueError: not today (line 11 of raises.py)",
    ),
    "shape": (
        RETURN,
        "return inputs, state",
        Status.FAILED,
        "/shape.py: ValueError: outputs must be (T, B, hidden_size) = (3, 1000, 5), not (3, 1000, 4)",
    ),
    "alone": (
        RETURN,
        "return self.cell(inputs, state)[0]",
        Status.FAILED,
        "/alone.py: TypeError: Mine.forward must return",
    ),
    "noise": (
        RETURN,
        "torch.rand(1); " + RETURN,
        Status.FAILED,
        "/noise.py: RuntimeError: changes the global random state of",
    ),
    "leaves": (RETURN, "raise SystemExit(0)", Status.FAILED, "SystemExit: 0 (line 11 of leaves.py)"),
    "dtype": (
        RETURN,
        "torch.set_default_dtype(torch.float64); " + RETURN,
        Status.FAILED,
        "changes torch's default dtype",
    ),
    "grads": (RETURN, "torch.set_grad_enabled(False); " + RETURN, Status.FAILED, "/grads.py: "),
    "nan": (RETURN, "return self.cell(inputs / 0 * 0, state)", Status.DIVERGED, None),
}


def test_faults_are_rows_and_stop_nobody_else(write: Write) -> None:
    registry.use([write(MODULE.replace(*fault[:2]), f"{name}.py") for name, fault in FAULTS.items()])
    trials = adhoc(cell=(*FAULTS, "rnn"), seeds=1, **SMALL).trials()
    found = {one.trial.cell: one for one in LocalEngine(1, 60).run([[trial] for trial in trials]) if one is not None}
    assert {name: one.status for name, one in found.items()} == {name: fault[2] for name, fault in FAULTS.items()} | {
        "rnn": Status.UNSOLVED
    }
    reasons = {
        name: found[name].reason for name, fault in FAULTS.items() if fault[3] and fault[3] not in found[name].reason
    }
    assert reasons == {}
    assert all(one.environment["plugins"].endswith(f"{name}.py") for name, one in found.items() if name != "rnn")


@pytest.mark.parametrize("fault", ["torch.set_default_dtype(torch.float64)", "torch.set_grad_enabled(False)"])
def test_settings_that_a_plugin_changes_change_no_number_of_the_next_cohort(fault: str, write: Write) -> None:
    fine, faulty = write(MODULE, "fine.py"), write(MODULE.replace(RETURN, f"{fault}; {RETURN}"), "faulty.py")
    registry.use([fine, faulty])
    first, then = (adhoc(cell=cell, seeds=1, **SMALL).trials()[0] for cell in ("faulty", "fine"))
    (alone,) = filter(None, LocalEngine(1, 60).run([[then]]))
    found = {one.trial.cell: one for one in LocalEngine(1, 60).run([[first], [then]]) if one is not None}
    assert found["faulty"].status == Status.FAILED
    assert found["fine"].measurements == alone.measurements


def test_what_nobody_watches_is_gone_with_the_process(write: Write) -> None:
    ending = f"out = {RETURN.removeprefix('return ')}; nn.GRU.forward = None; return out"
    fine, faulty = write(MODULE, "fine.py"), write(MODULE.replace(RETURN, ending), "faulty.py")
    registry.use([fine, faulty])
    first, then = (adhoc(cell=cell, seeds=1, **SMALL).trials()[0] for cell in ("faulty", "fine"))
    (alone,) = filter(None, LocalEngine(1, 60).run([[then]]))
    found = {one.trial.cell: one for one in LocalEngine(1, 60).run([[first], [then]]) if one is not None}
    assert found["fine"].reason is None
    assert found["fine"].measurements == alone.measurements


def test_a_plugin_that_hangs_runs_out_of_time(write: Write) -> None:
    registry.use([write(MODULE.replace(RETURN, "\n        while inputs is not None: pass"))])
    (trial,) = adhoc(cell="mine", seeds=1, **SMALL).trials()
    (found,) = [one for one in LocalEngine(1, 1.5).run([[trial]]) if one is not None]
    assert (found.status, found.reason) == (Status.TIMEOUT, "took longer than 1.5 s")


def test_a_file_that_changes_during_a_run_fails_its_trials(write: Write) -> None:
    registry.use([write(MODULE)])
    (trial,) = adhoc(cell="mine", seeds=1, **SMALL).trials()
    write(MODULE + "# edited\n")
    (found,) = [one for one in LocalEngine(1, 60).run([[trial]]) if one is not None]
    assert found.status is Status.FAILED
    assert "mine.py has changed since the run began" in found.reason


# Names whose file was not named


@pytest.mark.parametrize("kind", ["task", "cell", "clip", "optimizer", "schedule"])
def test_a_file_in_the_working_directory_is_to_be_named(
    kind: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(write(MODULE, "mgru.py")).parent)
    for name in ("mgru", "mgru.py"):
        with pytest.raises(UsageError, match=rf"no {kind} is called '{name}'; name its file with --plugin mgru\.py$"):
            registry.find(kind, name)


def test_a_name_that_is_like_no_other_may_be_a_file() -> None:
    with pytest.raises(UsageError, match=r"no cell is called 'own'; there are .*; if it is yours, .* --plugin own\.py"):
        registry.find("cell", "own")
    with pytest.raises(UsageError, match=r"no cell is called 'lsmt'; did you mean lstm\?$"):
        registry.find("cell", "lsmt")


def test_a_plugin_of_another_kind_is_named(write: Write) -> None:
    registry.use([write(MODULE)])
    with pytest.raises(UsageError, match=r"no task is called 'mine': plugin .*mine\.py is a cell"):
        registry.find("task", "mine")


# Installed packages


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "offering.py").write_text(CELL)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = {"longlag.schedules": [EntryPoint("their", "offering:Its", "longlag.schedules")]}
    points |= {"longlag.cells": [EntryPoint("theirs", "offering:Mine", "longlag.cells"), EntryPoint("lstm", "x:Y", "")]}
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.get(group, []))
    registry.use(())
    yield "offering"
    sys.modules.pop("offering", None)


def test_what_a_package_offers_is_listed_without_importing_it(offered: str) -> None:
    assert "theirs           offered by an installed package" in call("list", "cells").stdout
    assert "their            offered by an installed package" in call("list", "schedules").stdout
    assert offered not in sys.modules


def test_what_a_package_offers_is_used_under_the_name_it_gives(offered: str) -> None:
    (trial,) = adhoc(cell="theirs:scale=2", seeds=1, **SMALL).trials()
    assert (trial.cell, trial.plugins.partition(":")[0]) == ("theirs:scale=2", "theirs")
    assert registry.cell("lstm").reference.startswith("Hochreiter"), "what is shipped is not replaced"


def test_what_a_package_offers_is_refused_in_one_line(offered: str, tmp_path: Path) -> None:
    (tmp_path / "offering.py").write_text("1 / 0")
    with pytest.raises(UsageError, match=r"offering:Mine .* does not import: ZeroDivisionError: division by zero"):
        registry.cell("theirs")
