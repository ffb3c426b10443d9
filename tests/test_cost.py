"""What cells cost: counts, memory and the command; no test says how fast anything is."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from longlag import registry
from longlag.cli import main
from longlag.perf import cells, cells_report
from longlag.perf.cells import Cost, Workload
from longlag.perf.memory import PRELOADED, gradient_bytes, trial_bytes
from longlag.values.trial import Trial

TINY = ("--length", "6", "--batch-size", "2", "--hidden-size", "4", "--quick")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process the peak of its memory")


def call(*args: str) -> Result:
    return CliRunner().invoke(main, ["cost", *args])


def made(cell: str, seconds: tuple[float, ...], memory: int | None = 3 * 2**20) -> Cost:
    return Cost(cell, "fused", 100, 8, seconds, (0.002, 0.004), memory)


def test_a_ratio_compares_the_two_times_of_one_round() -> None:
    row = made("gru", (0.001, 0.006)).row(length=100)
    assert (row["ratio_low"], row["ratio"], row["ratio_high"]) == (0.5, 1.0, 1.5)
    assert (row["step_us_low"], row["step_us_high"]) == (pytest.approx(10), pytest.approx(60))


def test_counts_are_those_of_the_layer_on_the_path_that_runs() -> None:
    found = {cost.cell: cost for cost in cells.measure(["gru", "mgu"], Workload(6, 2, 5), repeats=2)}
    assert (found["gru"].parameters, found["gru"].state_size, found["gru"].path) == (
        3 * 5 * (2 + 5 + 1) + 5,
        5,
        "fused",
    )
    assert (found["mgu"].parameters, found["mgu"].path) == (2 * 5 * (2 + 5 + 1), "readable")
    assert all(len(cost.ratios) == 2 for cost in found.values())


@linux
def test_memory_holds_what_a_scan_must_keep_and_grows_with_the_length() -> None:
    gates = 4 * 32 * 64 * 4  # gates x sequences x units x bytes, of one step
    short, long = (gradient_bytes("lstm", [], length, 32, 64) for length in (100, 400))
    assert 100 * gates < short < 3 * 100 * gates
    assert 3 * short < long < 5 * short


def test_a_system_that_cannot_be_asked_for_memory_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("longlag.perf.memory._RESET", tmp_path / "nowhere")
    assert gradient_bytes("lstm", [], 4, 2, 4) is None
    text = cells_report.render([made("lstm", (0.002, 0.004), None)], Workload(6, 2, 4))
    assert "memory: not measured, as only Linux reports it" in text
    assert next(iter(cells.rows([made("lstm", (0.002, 0.004), None)], Workload(6, 2, 4))))["memory_ratio"] is None


def test_parameters_and_memory_are_relative_to_the_lstm_where_it_is_measured() -> None:
    both = [made("gru", (0.001, 0.002), 2**20), made("lstm", (0.002, 0.004), 2 * 2**20)]
    gru, lstm = cells.rows(both, Workload(6, 2, 4))
    assert (gru["memory_ratio"], gru["parameters_ratio"], lstm["memory_ratio"]) == (0.5, 1.0, 1.0)
    (alone,) = cells.rows(both[:1], Workload(6, 2, 4))
    assert alone["parameters_ratio"] is None


def test_the_command_prints_a_line_a_cell_and_writes_table_json_and_figure(tmp_path: Path) -> None:
    result = call("--cell", "rnn", "--cell", "gru:reset=before", *TINY, "--results", str(tmp_path))
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines()[3:]} == {"rnn", "gru:reset=before"}
    names = {path.name for path in (tmp_path / "perf").iterdir()}
    assert names == {"cells.csv", "cells.json", "cells.pdf", "cells.png"}
    table = pd.read_csv(tmp_path / "perf" / "cells.csv")
    assert set(table["cell"]) == {"rnn", "gru:reset=before"}


def test_json_holds_every_round_and_the_setting(tmp_path: Path) -> None:
    result = call("--cell", "rnn", "--json", *TINY, "--results", str(tmp_path))
    content = json.loads(result.stdout)
    assert content["setting"] == {"length": 6, "batch_size": 2, "hidden_size": 4}
    assert len(content["rows"][0]["seconds"]) == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--cell", "lsmt"), "no cell is called 'lsmt'; did you mean lstm?"),
        (("--cell", "lstm:peep=true"), "cell lstm"),
        (("--length", "1"), "--length must be a whole number from 2 to 100000, not 1"),
        (("--hidden-size", "0"), "--hidden-size must be a whole number from 1 to 4096, not 0"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(args: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = call(*args, "--results", str(tmp_path))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_plugin_that_raises_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import torch\n\n\nclass Broken(torch.nn.Module):\n"
        "    def __init__(self, input_size, hidden_size):\n        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(input_size, hidden_size))\n\n"
        "    def forward(self, inputs, state):\n        raise RuntimeError('no')\n"
    )
    try:
        result = call("--plugin", str(tmp_path / "broken.py"), "--cell", "broken", *TINY, "--results", str(tmp_path))
    finally:
        registry.use([])
    assert result.exit_code == 2
    assert "broken.py: RuntimeError: no" in result.stderr


@linux
def test_the_memory_of_a_trial_is_that_of_its_own_network_and_task() -> None:
    small, large = (
        trial_bytes(Trial("copy:items=1,blanks=100", "lstm", "none", 0.01, 0, hidden_size=size), [], 64)
        for size in (32, 128)
    )
    assert 3 * small < large < 6 * small


@pytest.mark.parametrize("name", PRELOADED)
def test_what_is_loaded_before_the_fork_exists(name: str) -> None:
    assert find_spec(name) is not None
