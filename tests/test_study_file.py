"""Study files: read as written, refused with file, key and rule, and those that are shipped."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longlag.plan.files import find, names, read
from longlag.plan.grid import KEYS, WIRING
from longlag.plan.study import adhoc
from longlag.plan.trials import facts
from longlag.tasks.support.errors import UsageError

COPY, ADDING = "copy:items=3,blanks=10", "adding:length=20"
ROOT = Path(__file__).resolve().parent.parent


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


FILE = """
title = "A title"
[[grids]]
task = "copy:items=3,blanks=10"
cell = ["rnn", "lstm"]
clip = ["none", "norm:1"]
seeds = [100, 101]
updates = 400
hidden_size = 16
[[rates]]
task = "copy:items=3,blanks=10"
cell = "rnn"
lr = 1
[[rates]]
task = "copy:items=3,blanks=10"
cell = "lstm"
clip = "norm:1"
lr = 3e-2
[[rates]]
task = "copy:items=3,blanks=10"
cell = "lstm"
lr = 1e-2
"""


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    made = read(write(tmp_path, FILE))
    assert (made.name, made.title) == ("mine", "A title")
    found = {(trial.cell, trial.clip, trial.lr, trial.seed) for trial in made.trials() if trial.seed == 100}
    assert found == {
        ("rnn", "none", 1.0, 100),
        ("rnn", "norm:1", 1.0, 100),
        ("lstm", "none", 0.01, 100),
        ("lstm", "norm:1", 0.03, 100),
    }
    assert {(trial.updates, trial.hidden_size, type(trial.lr)) for trial in made.trials()} == {(400, 16, float)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "A title"', "", "title is missing"),
        ('title = "A title"', "title = 3", "title must be one line of text, not 3"),
        ('title = "A title"', 'tilte = "A"', "no key 'tilte'; did you mean title"),
        ("seeds = [100, 101]", "seedz = 3", "grids 1: no key 'seedz'; did you mean seeds"),
        ("seeds = [100, 101]", "seeds = [1, 1]", "grids 1: seeds has 1 twice"),
        ("seeds = [100, 101]", "seeds = []", "grids 1: seeds must have at least one value"),
        ("seeds = [100, 101]", "seeds = [-1]", "grids 1: seeds must be a whole number from 0 to 4294967295, not -1"),
        ("seeds = [100, 101]", "seeds = 0", "grids 1: seeds must be a whole number from 1 to 10000, not 0"),
        ("seeds = [100, 101]", "seeds = '3'", "grids 1: seeds must be a whole number from 1 to 10000, not '3'"),
        ("updates = 400", "updates = 4e2", "grids 1: updates must be a whole number"),
        ("updates = 400", "updates = true", "grids 1: updates must be a whole number"),
        ("updates = 400", "updates = 400\nupdates = 400", "is not TOML"),
        ("updates = 400", "updates = 400\neval_every = 401", r"grids 1: eval_every must be below updates \(400\)"),
        ("updates = 400", "updates = 400\nlr = []", "grids 1: lr must have at least one value"),
        ("updates = 400", "updates = 400\nlr = ['3e-3']", "grids 1: lr must be a finite number above 0, not '3e-3'"),
        ("updates = 400", "updates = 400\nlr = nan", "grids 1: lr must be a finite number above 0, not nan"),
        ("updates = 400", "updates = 400\ndtype = 3", "grids 1: dtype must be float32 or float64, not 3"),
        ("updates = 400", "updates = 400\nschedule = ''", "grids 1: schedule must be one line of text, not ''"),
        ('cell = ["rnn", "lstm"]', "", "grids 1: cell is missing"),
        ('cell = ["rnn", "lstm"]', 'cell = ["rnn", "rnn"]', "grids 1: cell has rnn twice"),
        ('cell = ["rnn", "lstm"]', "cell = [3]", "grids 1: cell must be one line of text, not 3"),
        ('cell = ["rnn", "lstm"]', 'cell = ["lsmt"]', "grids 1: no cell is called 'lsmt'; did you mean lstm"),
        ('cell = ["rnn", "lstm"]', 'cell = ["rnn:a=1,a=2"]', "grids 1: cell 'rnn:a=1,a=2'.* twice"),
        ('clip = ["none", "norm:1"]', 'clip = ["norm:-1"]', "grids 1: clip 'norm:-1'"),
        ("[[grids]]", "[grids]", "grids must be tables"),
        ("[[grids]]", "[[grid]]", "no key 'grid'; did you mean grids"),
        ("lr = 1\n", "", "rates 1: lr is missing"),
        ("lr = 1\n", "lr = -1\n", "rates 1: lr must be a finite number above 0, not -1"),
        ("lr = 1\n", "rate = 1\n", "rates 1: no key 'rate'"),
        ('cell = "rnn"\n', 'cell = "rn"\n', "rates 1: no cell is called 'rn'; did you mean rnn"),
        ('clip = "norm:1"\n', "", "rates 3: there are two learning rates for copy:items=3,blanks=10, lstm"),
        ('clip = "norm:1"\n', "clip = []\n", r"rates 2: clip must be one line of text, not \[\]"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_rule(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    path = write(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(UsageError, match=said) as refusal:
        read(path).trials()
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE, encoding="utf-8-sig")
    assert read(path).title == "A title"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"title = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"a = " + b"[" * 5000, "is not TOML"),
        (b"title = 'x'\ngrids = []", "grids must hold at least one grid"),
        (b"title = 'x'\ngrids = 3", "grids must be tables"),
        (b"a = " + b"9" * 5000, "is not TOML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(UsageError, match=said) as refusal:
        read(tmp_path / "mine.toml")
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml: No such file"):
        find(str(tmp_path / "nowhere.toml"))


words = st.sampled_from(["title", "grids", "rates", "task", "cell", "lr", "seeds", "dtype", "copy", "rnn", "x"])
values = st.recursive(
    st.integers() | st.floats() | st.booleans() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


thrown = settings(max_examples=100, derandomize=True, database=None, deadline=None)


def refusal_of(make: Callable[[], object]) -> str:
    """Return what a refusal says, nothing where there is none; anything but a refusal gets through."""
    try:
        make()
    except UsageError as error:
        return str(error)
    return ""


@thrown
@given(st.sampled_from(KEYS), values)
def test_whatever_an_option_holds_there_is_no_traceback(key: str, value: object) -> None:
    assert "\n" not in refusal_of(lambda: adhoc(**({"task": COPY, "cell": "rnn"} | {key: value})))


@thrown
@given(st.data())
def test_whatever_a_file_holds_there_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pieces = re.split(r"(\W+)", FILE)
    for _ in range(data.draw(st.integers(1, 3))):
        piece = data.draw(st.sampled_from(pieces) | st.sampled_from(["nan", "[", '"', "3", "1e999", ""]))
        pieces[data.draw(st.integers(0, len(pieces) - 1))] = piece
    path = write(tmp_path_factory.getbasetemp(), "".join(pieces))
    assert "\n" not in refusal_of(lambda: read(path).trials())


def test_shipped_studies_are_listed_and_read_without_torch() -> None:
    script = (
        "import sys; from longlag.plan.files import find, names; [find(name) for name in names()]\n"
        "sys.exit('torch' in sys.modules or names()[0] > 'r')"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_an_unknown_study_offers_a_near_one() -> None:
    with pytest.raises(UsageError, match="no study is called 'quikc'; did you mean quick"):
        find("quikc")


@pytest.mark.parametrize("name", names())
def test_a_shipped_study_makes_trials(name: str) -> None:
    made = find(name)
    trials = made.trials()
    each_once = [  # one layer is the same network with every kind of skip connection
        grid.size() * len(grid.wirings()) // math.prod(len(getattr(grid, axis)) or 1 for axis in WIRING)
        for grid in made.grids
    ]
    assert len(trials) == sum(each_once)
    assert all(facts(trial)["lag"] > 0 for trial in trials)


def test_smoke_has_every_task_cell_clip_and_optimizer_of_quick() -> None:
    quick, smoke = (find(name).trials() for name in ("quick", "smoke"))
    assert {trial.task.partition(":")[0] for trial in quick} == {trial.task.partition(":")[0] for trial in smoke}
    for axis in ("cell", "clip", "optimizer"):
        assert {getattr(trial, axis) for trial in quick} == {getattr(trial, axis) for trial in smoke}


def test_the_folder_is_the_list(tmp_path: Path) -> None:
    write(tmp_path, FILE)
    assert names(tmp_path) == ["mine"]
