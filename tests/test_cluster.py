"""On a Ray cluster a study has the same bytes, outlives its nodes, and listens to nobody else."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner

from longlag.cli import main
from longlag.run.engines.cluster import Cluster, RayEngine, attached
from longlag.values.trial import Status, Trial

GRID = [
    *(
        "--task",
        "copy:items=1,symbols=2,blanks=2",
        "--cell",
        "rnn",
        "--cell",
        "gru",
        "--clip",
        "none",
        "--clip",
        "norm:1",
    ),
    *("--lr", "0.01", "--seeds", "3", "--updates", "20", "--eval-every", "5", "--hidden-size", "6", "--name", "mine"),
]
BESIDE = str(Path(__file__).parent)


def call(*args: str):
    return CliRunner().invoke(main, list(args))


def exported(results: Path, *more: str) -> str:
    done = call("run", *GRID, "--results", str(results), *more)
    assert done.exit_code == 0, done.output
    return call("export", "mine", "--results", str(results)).stdout


@pytest.fixture
def two_nodes(monkeypatch):
    """A cluster of two nodes of one CPU each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster as Nodes

    monkeypatch.setenv("PYTHONPATH", BESIDE)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    yield nodes, second
    ray.shutdown()
    nodes.shutdown()


@pytest.mark.ray
def test_a_study_has_the_same_bytes_on_two_nodes_as_here(tmp_path, two_nodes):
    nodes, _ = two_nodes
    here = exported(tmp_path / "local", "--workers", "1")
    assert exported(tmp_path / "ray", "--engine", "ray", "--address", nodes.address) == here
    assert "to train  0" in call("plan", *GRID, "--results", str(tmp_path / "ray")).stdout


@pytest.mark.ray
def test_a_node_that_is_lost_costs_nothing_that_is_finished(two_nodes):
    nodes, second = two_nodes
    trials = [Trial("copy:items=1,blanks=2", "rnn", "none", 0.01, seed, updates=4, eval_every=2) for seed in range(6)]
    with attached(Cluster(nodes.address)) as slots:
        assert slots == 2
        arriving = RayEngine(slots, 60, slow).run([[trial] for trial in trials])
        found = [next(one for one in arriving if one is not None)]
        nodes.remove_node(second, allow_graceful=False)
        found += [one for one in arriving if one is not None]
    assert sorted(one.trial.seed for one in found) == list(range(6))
    assert {one.status for one in found} == {Status.UNSOLVED}, "what the node had begun is done again elsewhere"


def slow(trials, report, environment):
    import faulty

    time.sleep(0.5)
    faulty.well(trials, report, environment)


LISTENING = """
import os
from contextlib import suppress
from pathlib import Path
from longlag.run.engines.cluster import Cluster, attached

def sockets(process):
    with suppress(OSError):  # it has ended meanwhile
        if mark in (process / "environ").read_bytes():
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    yield os.readlink(handle).removeprefix("socket:[").removesuffix("]")

with attached(Cluster(workers=1)):
    mark = os.environ["MARK"].encode()
    others = [path for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != str(os.getpid())]
    held = {inode for path in others for inode in sockets(path)}
    tables = [Path("/proc/net", table).read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table]
    print(*sorted({line[1].partition(":")[0] for line in lines if line[3] == "0A" and line[9] in held}))
"""
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read as Linux shows them")
def test_a_cluster_of_this_machine_alone_listens_to_this_machine_alone():
    environment = os.environ | {"MARK": uuid.uuid4().hex}
    ran = subprocess.run(
        [sys.executable, "-c", LISTENING], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    heard = set(ran.stdout.split())
    assert heard
    assert heard <= LOOPBACK


# What is refused


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--address", "auto"], "--address is the address of a Ray cluster: it needs --engine ray"),
        (["--engine", "rays"], "'rays' is not one of 'local', 'ray'"),
    ],
)
def test_options_that_go_nowhere_are_refused(tmp_path, more, told):
    done = call("run", *GRID, "--results", str(tmp_path / "results"), *more)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("here", "--address must be auto or HOST:PORT, not 'here'"),
        ("127.0.0.1:99999", "--address must be auto or HOST:PORT, not '127.0.0.1:99999'"),
        ("127.0.0.1:9", "--address 127.0.0.1:9: nothing answers there (Connection refused)"),
    ],
)
def test_an_address_at_which_nothing_answers_is_one_line(tmp_path, monkeypatch, address, told):
    monkeypatch.setitem(sys.modules, "ray", object())  # nothing of it is asked
    done = call("run", *GRID, "--results", str(tmp_path / "results"), "--engine", "ray", "--address", address)
    assert (done.exit_code, done.stderr) == (2, f"longlag: {told}\n")
    assert not (tmp_path / "results").exists()


def test_without_ray_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = call("run", *GRID, "--results", str(tmp_path / "results"), "--engine", "ray")
    assert (done.exit_code, done.stderr) == (2, "longlag: --engine ray needs Ray: pip install 'longlag[ray]'\n")
