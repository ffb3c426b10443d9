"""Files that a plugin reads when it runs: its own join the row's source, others make the row unhashed."""

import ast
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from plugin_files import TINY, written

from longlag import registry
from longlag.plan.study import adhoc
from longlag.process import provenance
from longlag.process.own_code import Origin, Sources, told_data
from longlag.process.unseen import LIBRARIES, functions_in, reads_by
from longlag.run.engines.local import LocalEngine
from longlag.run.plan import Retrain, make_plan
from longlag.run.run import RunOptions, run
from longlag.store.results import load_study


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


LATER = "from pathlib import Path; Path(__file__).with_name('data').joinpath('{}').read_bytes()"


def test_what_is_read_later_joins_the_rows_source(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "numbers.txt").write_text("2")
    registry.use([written(tmp_path, body=LATER.format("numbers.txt"))])
    (made,) = registry.used()
    assert registry.seen_later(made) == Sources()
    registry.schedule("mine").factor(1, 1)
    later = registry.seen_later(made).files
    assert later == {"file data/numbers.txt": str(tmp_path / "data" / "numbers.txt")}
    source = provenance.source_with(later, ())
    (tmp_path / "data" / "numbers.txt").write_text("3")
    assert not provenance.is_present(source, {provenance.LATER: later})


def test_what_is_read_outside_is_said_to_be_unhashed(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("2")
    path = written(tmp_path / "own", body=LATER.format("../../numbers.txt"))
    (tmp_path / "own" / "data").mkdir()
    registry.use([path])
    registry.schedule("mine").factor(1, 1)
    seen = registry.seen_later(registry.used()[0])
    assert seen == Sources(outside=(str(tmp_path / "numbers.txt"),))
    assert list(told_data(seen)) == [f"it reads {tmp_path / 'numbers.txt'}, outside its folder"]


@pytest.mark.parametrize(
    "body",
    [
        "open(__file__ + '.log', 'a').close()",
        "Path(__file__ + '.tmp').write_text('x'); Path(__file__ + '.tmp').read_text()",
        "handle, name = tempfile.mkstemp(); os.close(handle); Path(name).read_text()",
        "Path('/proc/cpuinfo').read_text()",
        "import wave, email.mime.text",
        "Path(numpy.__file__).read_text()",
    ],
)
def test_what_it_writes_and_what_belongs_to_the_system_is_no_data(body: str, tmp_path: Path) -> None:
    registry.use([written(tmp_path, imports="import numpy, os, tempfile\nfrom pathlib import Path", body=body)])
    registry.schedule("mine").factor(1, 1)
    assert registry.seen_later(registry.used()[0]) == Sources()


def test_each_cohort_says_what_it_reads_whatever_its_worker_has_read_before(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for budget in (2, 4):
        (tmp_path / "data" / f"{budget}.txt").write_text("2")
    once = f"from functools import cache\n@cache\ndef data(budget):\n    {LATER.format('')}"
    once = once.replace("joinpath('')", "joinpath(f'{budget}.txt')")
    registry.use([written(tmp_path, imports=once, body="data(budget)")])
    short, long = (adhoc("mine", **(TINY | {"seeds": 2, "updates": updates})).trials() for updates in (2, 4))
    cohorts = [[short[0]], [long[0]], [short[1]]]
    found = [one for one in LocalEngine(1, 60).run(cohorts) if one is not None]
    read = {one.trial: list(one.environment[provenance.LATER]) for one in found}
    expected = zip((short[0], long[0], short[1]), (2, 4, 2), strict=True)
    assert read == {trial: [f"file data/{budget}.txt"] for trial, budget in expected}


IMPORTS = "import ctypes, os, socket, sqlite3, subprocess, numpy\nfrom concurrent.futures import ThreadPoolExecutor\n"
DATA = "os.path.dirname(__file__) + '/data/{}'"
SEEN = {
    "numbers.bin": (
        "numpy.fromfile({})",
        "numpy.memmap({}, mode='r')",
        "ThreadPoolExecutor(1).submit(numpy.fromfile, {})",
    ),
    "numbers.db": ("sqlite3.connect({})",),
    "numbers.so": ("ctypes.CDLL({})",),
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in SEEN.items() for call in calls])
def test_files_count_that_are_opened_in_compiled_code_or_a_thread(name: str, call: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(bytes(64))
    try_it = f"try: {call.format(DATA.format(name))}\n        except OSError: pass"
    registry.use([written(tmp_path, imports=IMPORTS, body=try_it)])
    registry.schedule("mine").factor(1, 1)
    assert list(registry.seen_later(registry.used()[0]).files) == [f"file data/{name}"]


@pytest.mark.parametrize(
    ("call", "through"),
    [
        ("os.system('true')", "another program"),
        ("subprocess.run(['true'])", "another program"),
        ("os.waitpid(os.fork() or os._exit(0), 0)", "another process"),
        ("s = socket.socket(socket.AF_UNIX); s.connect('listening'); s.close()", "the network"),
    ],
)
def test_whoever_else_may_have_read_is_named(call: str, through: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("listening")
        listening.listen()
        registry.use([written(tmp_path, imports=IMPORTS, body=call)])
        registry.schedule("mine").factor(1, 1)
    seen = registry.seen_later(registry.used()[0])
    assert seen == Sources(through=(through,))
    assert list(told_data(seen)) == [f"files that it reads by {through} are not seen"]


def test_what_opens_files_unseen_is_known_by_its_name(tmp_path: Path) -> None:
    origin = Origin(str(tmp_path / "mine.py"))
    assert reads_by([b"import numpy, pandas, scipy", b"not python:"], origin) == set()
    assert reads_by([b"import h5py\nfrom safetensors.torch import load_file"], origin) == {"h5py", "safetensors"}
    assert functions_in(ast.parse("from torch.jit import load; pandas.read_parquet(f); torch.load(f)")) == {
        "torch.jit.load",
        "read_parquet",
    }


def test_what_requires_a_library_that_opens_files_unseen_may_read_by_it(monkeypatch) -> None:
    from longlag.process import unseen

    required = {"theirs": ["middle>=2"], "middle": ["h5py ; python_version > '3'"], "plain": ["h5py ; extra == 'more'"]}
    monkeypatch.setattr(unseen, "requires", lambda name: required.get(name, []))
    monkeypatch.setattr(unseen, "distributions", lambda top: [top])
    monkeypatch.setattr(unseen, "libraries_among", lambda tops, _: tuple(tops))
    assert "theirs" not in LIBRARIES
    assert reads_by([b"import theirs, plain"], Origin("/somewhere/mine.py")) == {"theirs"}


@pytest.mark.parametrize(
    "call", ["(lambda: torch.from_file(__file__, size=1, dtype=torch.uint8))()", "os.system('true')"]
)
def test_rows_of_what_reads_unseen_say_so_and_fresh_trains_them_again(call: str, tmp_path: Path) -> None:
    registry.use([written(tmp_path, imports="import os, torch", body=call)])
    study = adhoc("mine", **TINY)
    run(study, tmp_path, RunOptions(1, 60), Mock())
    assert len(make_plan(study, tmp_path, Retrain(fresh=True)).missing) == 1
    data = load_study("mine", tmp_path)
    assert data.sources == (provenance.source_hash(),), "rows of other trials by the same code are not told as others"
    (said,) = data.trials["unhashed"]
    assert said in (
        "mine: files that it reads by from_file are not seen",
        "mine: files that it reads by another program are not seen",
    )
