"""Axes: one declaration of a trial's field, from which plan, store, export, reports and command line follow."""

import json
import os
import subprocess
import sys
from dataclasses import MISSING

import pytest
from package_copies import copy_package

from longlag.cli.options import _GRID
from longlag.plan.grid import GIVEN, KEYS
from longlag.store.schema import TABLES
from longlag.values.trial import AXES, Trial

DECLARED = """    jitter: float = _network("Noise added to states", number, default=0.0, spans=True, label="jitter {}")
    batch_size: int"""
USED = """
import json, sys
from dataclasses import replace
from click.testing import CliRunner
from longlag.cli import main
from longlag.store.results import load
from longlag.values.trial import Trial

TRIAL = Trial("adding:length=5", "rhn", "none", 0.01, 0, optimizer="muon", updates=2, eval_every=1)

def call(*args):
    found = CliRunner().invoke(main, list(args))
    return found.exit_code, found.stdout, found.stderr

results = sys.argv[1]
grid = ["--task", "adding:length=5", "--cell", "rhn", "--seeds", "1", "--updates", "2", "--eval-every", "1"]
grid += ["--optimizer", "muon"]  # of neither cell nor optimizer is there anything to compile in this copy
both = [*grid, "--lr", "0.01", "--jitter", "0", "--jitter", "0.5", "--name", "mine", "--results", results]
print(json.dumps({
    "help": call("run", "--help"),
    "plan": call("plan", *both),
    "bad": call("plan", *grid, "--jitter", "-1", "--results", results),
    "run": call("run", *both, "--workers", "1"),
    "again": call("plan", *both),
    "export": call("export", "mine", "--results", results),
    "rows": load("mine", results).sort_values("jitter")[["key", "jitter"]].to_dict("records"),
    "plain": TRIAL.key,
    "other": replace(TRIAL, jitter=0.5).key,
}))
"""


def test_a_new_axis_is_one_line_in_the_trial(tmp_path):
    """A field is added to a copy of the package, and nothing else: nothing acts on it, but everything knows it."""
    file = copy_package(tmp_path) / "values" / "trial.py"
    text = file.read_text()
    assert text.count("    batch_size: int") == 1
    file.write_text(text.replace("    batch_size: int", DECLARED))
    command = [sys.executable, "-c", USED, str(tmp_path / "results")]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}  # workers, too, load the copy
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    assert "--jitter FLOAT Noise added to states; repeatable." in " ".join(found["help"][1].split())
    assert "trials    2\n" in found["plan"][1]
    assert found["bad"][::2] == [2, "longlag: --jitter must be a finite number of at least 0, not -1.0\n"]
    assert found["run"][0] == 0, found["run"][2]
    assert "to train  0 in 0 cohorts" in found["again"][1]
    assert "jitter 0.5" in found["run"][1]  # the summary sets the two apart
    header, *rows = found["export"][1].splitlines()
    assert header.split(",").index("jitter") == header.split(",").index("truncate") + 1
    assert len(rows) == 2
    assert found["rows"] == [{"key": found["plain"], "jitter": 0.0}, {"key": found["other"], "jitter": 0.5}]
    plain = Trial("adding:length=5", "rhn", "none", 0.01, 0, updates=2, eval_every=1, optimizer="muon")
    assert found["plain"] == plain.key != found["other"]  # a default keeps the keys from before


@pytest.mark.parametrize("name", AXES)
def test_every_axis_has_a_column_and_a_default_that_older_files_take(name):
    column = TABLES["trials"].columns[AXES[name].column or name]
    assert not column.missing
    assert (column.stands_in is None) == (AXES[name].default is MISSING)
    assert TABLES["plan"].columns[AXES[name].column or name] == column


def test_whatever_a_grid_holds_is_an_option_of_the_command_line():
    assert set(KEYS) == {*GIVEN, "match", "match_target"}
    assert len(_GRID) == len(KEYS)
