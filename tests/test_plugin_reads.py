"""Files that a plugin reads when it runs: its own join the row's source, others make the row unhashed."""

from pathlib import Path

import pytest
from plugin_files import TINY, written

from longlag import registry
from longlag.plan.study import adhoc
from longlag.process import provenance
from longlag.process.own_code import Sources, told_outside
from longlag.run.engines.local import LocalEngine


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
    assert list(told_outside(seen.outside)) == [f"it reads {tmp_path / 'numbers.txt'}, outside its folder"]


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
