"""What a plugin's digest covers: every module of the user's own that it loads or names, wherever that lies."""

import hashlib
import shutil
import sys
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from plugin_files import TINY, digest, written

from longlag import registry
from longlag.cli.baselines import known
from longlag.plan.study import adhoc
from longlag.process import provenance
from longlag.process.fresh_import import look
from longlag.process.own_code import Origin, Sources, mentioned, unknowable
from longlag.registry import plugins
from longlag.report.outcomes import notes
from longlag.run.plan import Retrain, make_plan
from longlag.run.run import RunOptions, run
from longlag.store.results import load_study
from longlag.tasks.support.errors import UsageError

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


def with_package(folder: Path) -> dict[str, Path]:
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {name: folder / name for name in PACKAGE}


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


READS = [
    "os.read(os.open(__file__[:-7] + 'numbers.txt', os.O_RDONLY), 9)",
    "Path(__file__).with_name('numbers.txt').read_text()",
    "numpy.loadtxt(Path(__file__).parent / 'numbers.txt')",
]


@pytest.mark.parametrize("read", READS)
def test_files_that_are_read_beside_count_whatever_opens_them(read: str, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("2.0")
    path = written(tmp_path, imports=f"from pathlib import Path\nimport numpy, os\nV = float({read})", value="V")
    before = digest(path)
    assert list(registry.used()[0].sources.files) == ["file numbers.txt"]
    (tmp_path / "numbers.txt").write_text("3.0")
    assert digest(path) != before
    assert registry.schedule("mine").factor(1, 1) == 3, "what was hashed is what is used"


def test_code_that_is_run_by_its_path_counts(tmp_path: Path) -> None:
    (tmp_path / "aside.py").write_text("value = 2.0\n")
    by_path = (
        "from importlib.util import module_from_spec, spec_from_file_location as located\n"
        "spec = located('anything', __file__[:-7] + 'aside.py')\n"
        "aside = module_from_spec(spec); spec.loader.exec_module(aside)"
    )
    path = written(tmp_path, imports=by_path, value="aside.value")
    for _ in range(2):  # the second time it is read from its cache
        assert list(look(Origin(str(path)), 60).files) == ["file aside.py"]


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
    (made,) = registry.used()
    assert registry.seen_later(made).files == {}
    assert registry.schedule("mine").factor(1, 1) == 2
    later = registry.seen_later(made).files
    sys.modules.pop("aside")
    assert later == {"aside": str(tmp_path / "aside.py")}
    source = provenance.source_with(later, ())
    assert provenance.is_present(source, {provenance.LATER: later})
    assert not provenance.is_present(provenance.source_hash(), {provenance.LATER: later})
    (tmp_path / "aside.py").write_text("value = 3.0\n")
    assert not provenance.is_present(source, {provenance.LATER: later})
    (tmp_path / "aside.py").unlink()
    assert not provenance.is_present(source, {provenance.LATER: later})


# What cannot be known


def test_compiled_modules_and_archives_cannot_be_known() -> None:
    suffix = ".cpython-311.so" if sys.platform != "win32" else ".pyd"
    said = unknowable({"ours.fast": f"/x/fast{suffix}", "ours.zipped": "/x/ours.zip/zipped.py", "here": __file__})
    from importlib.machinery import EXTENSION_SUFFIXES

    assert list(unknowable({"ours.fast": f"/x/fast{EXTENSION_SUFFIXES[0]}"})) == ["ours.fast is compiled"]
    assert "ours.zipped lies in no file of its own" in list(said)


def compiled(folder: Path) -> str:
    """Put a compiled module of Python's own into a package of the user's; return its name there."""
    specs = map(find_spec, ("_bisect", "_heapq", "_queue", "_json", "_random"))
    file = next(Path(spec.origin) for spec in specs if spec and spec.origin and Path(spec.origin).is_file())
    (folder / "ours").mkdir()
    (folder / "ours" / "__init__.py").write_text("")
    shutil.copy(file, folder / "ours" / file.name)
    return file.name.partition(".")[0]


@pytest.mark.parametrize("late", [False, True])
def test_rows_of_what_cannot_be_known_are_trained_by_fresh_and_never_unchanged(late: bool, tmp_path: Path) -> None:
    name = compiled(tmp_path)
    load = f"from importlib import import_module; import_module('ours.' + '{name}')"
    registry.use([written(tmp_path, body=load if late else "", imports="" if late else f"from ours import {name}")])
    assert (registry.used()[0].sources.unknown == ()) == late
    study = adhoc("mine", **TINY)
    run(study, tmp_path, RunOptions(1, 60), Mock())
    plan = make_plan(study, tmp_path)
    assert (len(plan.missing), plan.other_source, plan.unhashed) == (0, 0, 1)
    assert len(make_plan(study, tmp_path, Retrain(fresh=True)).missing) == 1
    data = load_study("mine", tmp_path)
    assert data.trials["unhashed"].tolist() == [f"mine: ours.{name} is compiled"]
    (note,) = notes(data)
    assert note.startswith("Unhashed: 1 of 1 trials were made with code that no hash covers in full: mine: ours.")
    row = known(data).trials.iloc[0]
    assert row["source"] == provenance.source_hash()
    assert pd.isna(row["fingerprint"])


def test_imports_are_read_from_the_source() -> None:
    import ast

    text = "import a.b\ndef f():\n    from ..c import d\n    from . import e\n"
    assert mentioned(ast.parse(text), "p.q") == {"a.b", "p.c", "p.c.d", "p.q", "p.q.e"}
    assert mentioned(ast.parse(text), "") == {"a.b", "..c", "..c.d", ".", ".e"}
