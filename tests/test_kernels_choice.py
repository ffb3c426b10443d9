"""Which path runs, what a second process finds compiled, and how much memory a long sequence takes."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from kernel_samples import drawn, normal
from package_copies import copy_package
from torch.testing import assert_close

from longlag import registry
from longlag.cells.rnn import Rnn
from longlag.networks import work
from longlag.networks.recurrent import Network
from longlag.run import costs
from longlag.scans.find import kernel_for, kernel_module
from longlag.scans.run import run_layer, run_readable
from longlag.values.trial import Trial

# The choice of a path


def test_networks_say_which_path_runs():
    network = Network(registry.cell("lstm"), 2, 1, 8)
    assert network.path("cpu", "float32") == "fused"
    assert network.path("cuda", "float32") == "readable"


def test_without_numba_the_readable_path_runs(monkeypatch):
    cell, values = drawn("gru", 2, 5)
    inputs = normal(4, 3, 2)
    expected = run_layer(cell, inputs, values)
    kernel_for.cache_clear()
    monkeypatch.setattr("longlag.scans.find.find_spec", lambda name: None)
    try:
        assert Network(cell, 2, 1, 8).path("cpu", "float64") == "readable"
        found = run_layer(cell, inputs, values)
    finally:
        kernel_for.cache_clear()
    assert torch.equal(found, run_readable(cell, inputs, values))
    assert_close(found, expected)


@pytest.mark.parametrize("spec", ["gru:reset=before"])
def test_options_that_change_the_equations_run_on_the_readable_path(spec):
    assert Network(registry.cell(spec), 2, 1, 8).path("cpu", "float32") == "readable"
    assert costs.expected_seconds(Trial("adding", spec, "none", 0.1, 0)) > costs.expected_seconds(
        Trial("adding", spec.partition(":")[0], "none", 0.1, 0)
    )


def test_a_precision_without_a_kernel_runs_on_the_readable_path():
    cell, values = drawn("gru", 2, 5, torch.bfloat16)
    inputs = normal(4, 3, 2, dtype=torch.bfloat16)
    assert torch.equal(run_layer(cell, inputs, values), run_readable(cell, inputs, values))


# The disk cache and memory, each in processes of their own

PROGRAM = """
import numpy as np
from longlag.scans.engine import scan
from longlag.scans.engine.layer import Layer
from longlag.scans.kernels.rnn import Tanh
weights = {"input_weight": np.ones((1, 2)), "bias": np.zeros(2), "recurrent_weight": np.eye(2)}
outputs, _, _ = Layer(Tanh(), weights, np.ones((1, 1, 1))).forward(keep=False)
print(outputs[0, 0, 0], sum(scan.scan_forward.stats.cache_hits.values()))
"""


def run_program(program, folder, cache):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


DIGESTS = """
import hashlib
from longlag.training.cohort import Cohort
from longlag.values.trial import Trial

CELLS = "rnn", "lstm", "gru", "lstm:coupled=true", "lstm:forget_gate=false", "ugrnn", "janet"
OPTIMISERS = "adamw", "sgd:momentum=0.9", "rmsprop", "lion"
trials = [Trial("adding:length=20", cell, "norm:0.1", 1e-2, 0) for cell in CELLS]
for dtype in ("float32", "float64"):
    trials += [Trial("copy", "rnn", "value:0.01", 1e-2, 0, optimizer=name, dtype=dtype) for name in OPTIMISERS]
for trial in trials:
    cohort = Cohort([trial], {})
    for _ in range(3):
        cohort.step()
    seen = cohort.parameters.numpy().tobytes() + cohort.ledger.noted[-1].numpy().tobytes()
    print(trial, float(cohort.losses[-1]), hashlib.sha256(seen).hexdigest())
"""


@pytest.mark.slow
def test_code_just_compiled_and_code_from_disk_give_the_same_bytes(tmp_path):
    copy_package(tmp_path)
    compiled, loaded = (run_program(DIGESTS, tmp_path, tmp_path / "cache") for _ in range(2))
    assert compiled == loaded


@pytest.mark.slow
def test_a_second_process_does_not_compile_and_an_edited_pair_takes_effect(tmp_path):
    copy = copy_package(tmp_path)
    first, second = (run_program(PROGRAM, tmp_path, tmp_path / "cache").split() for _ in range(2))
    assert float(first[0]) == pytest.approx(np.tanh(1.0))
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("0", "1")
    pair = copy / "scans" / "kernels" / "rnn.py"
    pair.write_text(pair.read_text().replace("return (tanh(pre[0]),), ()", "return (pre[0] + pre[0],), ()"))
    assert run_program(PROGRAM, tmp_path, tmp_path / "cache").split() == ["2.0", "0"]


LONG = """
import resource
import torch
from longlag import registry
from longlag.run import costs
from longlag.training.gradients import write_gradients
from longlag.networks.recurrent import Network
from longlag.values.seeding import stream
torch.set_num_threads(1)
task = registry.task("copy:items=10,blanks=19980")
network = Network.for_task(registry.cell("CELL"), task, 128)
parameters = torch.from_numpy(network.initial_row(0)).float()[None]
batch = task.draw(stream("test").generator(), 16)
write_gradients(network, task, parameters, torch.zeros_like(parameters), [batch])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "selective", "deltanet"])
def test_twenty_thousand_time_steps_train_in_less_than_two_gibibytes(cell, tmp_path):
    assert float(run_program(LONG.replace("CELL", cell), tmp_path, tmp_path)) < 2.0


@pytest.mark.parametrize("name", ["layer", "rows", "rnn"])
def test_a_plugin_has_no_kernel_whatever_its_file_is_called(name, monkeypatch):
    """A shipped name is refused where a file is read; a subclass of a shipped cell may still stand in any module."""
    mine = type("Mine", (Rnn,), {"__module__": f"longlag_plugins.h0.{name}"})
    monkeypatch.setattr(registry, "cell", lambda spec: mine())
    assert mine.name() == name
    assert mine().standard
    assert (kernel_module(mine()), kernel_for(mine())) == (None, None)
    assert not work.of_cell(mine(), 4).fused
