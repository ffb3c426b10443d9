"""What a plugin's digest covers: every module of the user's own that it loads or names, wherever that lies."""

import hashlib
import json
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
from sample_results import result

from longlag import registry
from longlag.cli.regression import _known
from longlag.plan.study import adhoc
from longlag.process import provenance
from longlag.process.fresh_import import look
from longlag.process.own_code import Origin, Sources, mentioned, unknowable
from longlag.registry import plugins
from longlag.run.plan import Retrain, make_plan
from longlag.store.results import StudyData
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError

SCHEDULE = """
from dataclasses import dataclass
from typing import ClassVar
from longlag.schedules.base import Schedule
{imports}

@dataclass(frozen=True)
class Mine(Schedule):
    reference: ClassVar[str] = "a test"

    def factor(self, update, budget):
        {body}
        return {value}
"""
PACKAGE = {
    "ours/__init__.py": "",
    "ours/first.py": "from .second import two\nfrom ours import third\n",
    "ours/second.py": "two = 2.0\n",
    "ours/third.py": "def later():\n    from . import fourth\n    return fourth\n",
    "ours/fourth.py": "import ours.deep.fifth\n",
    "ours/deep/__init__.py": "",
    "ours/deep/fifth.py": "",
    "ours/never.py": "",
}
LOADED = ["ours", "ours.deep", "ours.deep.fifth", "ours.first", "ours.fourth", "ours.second", "ours.third"]


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


def written(folder: Path, name: str = "mine.py", imports: str = "", body: str = "", value: str = "1.0") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCHEDULE.format(imports=imports, body=body, value=value))
    return path


def with_package(folder: Path) -> dict[str, Path]:
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {name: folder / name for name in PACKAGE}


def digest(path: Path) -> str:
    registry.use([path])
    return registry.used()[0].digest


def test_a_single_file_has_the_digest_of_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, imports="import math, numpy, hypothesis")
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert registry.used()[0].sources.versions.keys() == {"hypothesis"}, "of others the version counts"


@pytest.mark.parametrize("place", ["beside", "elsewhere on the path"])
def test_every_byte_of_every_module_of_a_package_counts(place, tmp_path, monkeypatch) -> None:
    path = written(tmp_path, imports="from ours.first import two", value="two")
    folder = tmp_path if place == "beside" else tmp_path / "src"
    files = with_package(folder)
    if folder != tmp_path:
        monkeypatch.syspath_prepend(str(folder))  # as an editable installation does
    sources = look(Origin(str(path)), 60)
    assert sorted(sources.files) == LOADED
    assert sources.unknown == ()
    before = sources.digest(path.read_bytes())
    for name, file in files.items():
        text = file.read_text()
        file.write_text(text + "#")
        assert (sources.digest(path.read_bytes()) != before) == (name != "ours/never.py"), name
        file.write_text(text)
    assert sources.digest(path.read_bytes()) == before


def test_a_file_in_a_package_imports_by_dots(tmp_path: Path) -> None:
    with_package(tmp_path)
    path = written(tmp_path, "ours/deep/mine.py", imports="from ..second import two", value="two")
    registry.use([path])
    assert sorted(registry.used()[0].sources.files) == ["ours", "ours.second"]
    assert registry.schedule("mine").factor(1, 1) == 2


def test_an_edited_helper_is_another_plugin_and_is_what_runs(tmp_path: Path) -> None:
    path = written(tmp_path, imports="from aside import value", value="value")
    (tmp_path / "aside.py").write_text("value = 2.0\n")
    before = digest(path)
    assert registry.schedule("mine").factor(1, 1) == 2
    (tmp_path / "aside.py").write_text("value = 3.0\n")
    assert digest(path) != before
    assert registry.schedule("mine").factor(1, 1) == 3
    with pytest.raises(UsageError, match="has changed since the run began"):
        plugins.read(path, before)


def test_what_lies_beside_a_file_hides_no_module_of_python(tmp_path: Path) -> None:
    (tmp_path / "copy.py").write_text("1 / 0")
    (tmp_path / "aside.py").write_text("import copy\n")
    path = written(tmp_path, imports="import aside")
    registry.use([path])
    assert sys.path[-1] == str(tmp_path)
    registry.use(())
    assert str(tmp_path) not in sys.path
    assert "aside" not in sys.modules


def test_two_plugins_whose_helpers_share_a_name_are_refused(tmp_path: Path) -> None:
    for name in ("one", "other"):
        written(tmp_path / name, f"{name}.py", imports="import aside")
        (tmp_path / name / "aside.py").write_text("")
    with pytest.raises(UsageError, match=r"one.py and .*other.py each import a module 'aside' of their own; rename"):
        registry.use([tmp_path / "one" / "one.py", tmp_path / "other" / "other.py"])
    assert registry.used() == []


def test_files_read_beside_count_too(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("2.0")
    path = written(tmp_path, imports="from pathlib import Path\nV = float(open(__file__[:-7] + 'numbers.txt').read())")
    assert list(look(Origin(str(path)), 60).files) == ["file numbers.txt"]


def test_an_entry_points_package_counts_wherever_it_is_installed(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "site-packages"
    with_package(folder)
    written(folder, "ours/mine.py", imports="from .second import two", value="two")
    monkeypatch.syspath_prepend(str(folder))
    point = EntryPoint("theirs", "ours.mine:Mine", "longlag.schedules")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    registry.use(())
    made = registry.plugin("schedule", "theirs")
    assert list(made.sources.files) == ["ours", "ours.second"]
    content = Path(made.path).read_bytes()
    assert made.digest == made.sources.digest(content) != Sources().digest(content)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ours"]:
        del sys.modules[name]


def test_what_is_loaded_later_by_name_joins_the_rows_source(tmp_path: Path) -> None:
    (tmp_path / "aside.py").write_text("value = 2.0\n")
    lazy = "from importlib import import_module; loaded = import_module('asi' + 'de')"
    registry.use([written(tmp_path, body=lazy, value="loaded.value")])
    used = registry.used()
    assert registry.loaded_later(used) == {}
    assert registry.schedule("mine").factor(1, 1) == 2
    later = registry.loaded_later(used)
    sys.modules.pop("aside")
    assert later == {"aside": str(tmp_path / "aside.py")}
    source = provenance.source_with(later, ())
    assert provenance.is_present(source, {provenance.LATER: later})
    assert not provenance.is_present(provenance.source_hash(), {provenance.LATER: later})
    (tmp_path / "aside.py").write_text("value = 3.0\n")
    assert not provenance.is_present(source, {provenance.LATER: later})
    (tmp_path / "aside.py").unlink()
    assert not provenance.is_present(source, {provenance.LATER: later})


def test_compiled_modules_and_archives_cannot_be_known() -> None:
    suffix = ".cpython-311.so" if sys.platform != "win32" else ".pyd"
    said = unknowable({"ours.fast": f"/x/fast{suffix}", "ours.zipped": "/x/ours.zip/zipped.py", "here": __file__})
    from importlib.machinery import EXTENSION_SUFFIXES

    assert list(unknowable({"ours.fast": f"/x/fast{EXTENSION_SUFFIXES[0]}"})) == ["ours.fast is compiled"]
    assert "ours.zipped lies in no file of its own" in list(said)


def test_rows_of_what_cannot_be_known_are_trained_by_fresh_and_never_unchanged(tmp_path: Path) -> None:
    registry.use([written(tmp_path)])
    (trial,) = adhoc("mine", task="copy", cell="rnn", schedule="mine", seeds=1).trials()
    unhashed = ["mine: ours.fast is compiled"]
    environment = {"source": provenance.source_with({}, unhashed), provenance.UNHASHED: unhashed}
    made = replace(result(0), trial=trial, environment=environment, fingerprint="f")
    study = adhoc("mine", task="copy", cell="rnn", schedule="mine", seeds=1)
    with Store.open_for_writing(store_path("mine", tmp_path)) as store:
        store.write_plan("", [(one.trial, one.facts) for one in study.planned])
        store.add(made, study.planned[0].facts)
    plan = make_plan(study, tmp_path)
    assert (len(plan.missing), plan.other_source, plan.unhashed) == (0, 0, 1)
    assert len(make_plan(study, tmp_path, Retrain(fresh=True)).missing) == 1
    rows = pd.DataFrame([{"source": environment["source"], "environment": json.dumps(environment), "fingerprint": "f"}])
    empty = pd.DataFrame()
    data = StudyData("mine", "", empty, rows, empty, empty, empty, empty, 0, ())
    known = _known(data).trials.iloc[0]
    assert known["source"] == provenance.source_hash()
    assert pd.isna(known["fingerprint"])


def test_imports_are_read_from_the_source() -> None:
    import ast

    text = "import a.b\ndef f():\n    from ..c import d\n    from . import e\n"
    assert mentioned(ast.parse(text), "p.q") == {"a.b", "p.c", "p.c.d", "p.q", "p.q.e"}
    assert mentioned(ast.parse(text), "") == {"a.b", "..c", "..c.d", ".", ".e"}
