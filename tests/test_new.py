"""Whoever adds a file of their own: the skeletons pass their checks, and so do the examples of the READMEs."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from longlag import registry
from longlag.cli import main

pytestmark = pytest.mark.usefixtures("nothing_drawn")

KINDS = ("cell", "clip", "task", "optimizer", "schedule")
ROOT = Path(__file__).resolve().parent.parent
READMES = [
    ROOT / folder / "README.md"
    for folder in ("bench/cells", "bench/clips", "bench/optimisers", "bench/schedules", "tasks", "bench/registry")
]
SECTION = "".join(file.read_text(encoding="utf-8").partition("\n## Add a")[2] for file in READMES)


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_passes_its_check(kind: str, tmp_path: Path) -> None:
    made = call("new", kind, f"my_{kind}", "--to", str(tmp_path))
    assert (made.exit_code, made.stdout) == (0, f"{tmp_path / f'my_{kind}.py'}\n")
    checked = call(f"check-{kind}", "--plugin", made.stdout.strip())
    assert checked.exit_code == 0, checked.output
    assert "FAILED" not in checked.stdout
    assert "Skeleton" not in Path(made.stdout.strip()).read_text()


def test_a_new_file_can_be_run(tmp_path: Path) -> None:
    for kind in KINDS:
        call("new", kind, f"my{kind}", "--to", str(tmp_path))
    files = [part for kind in KINDS for part in ("--plugin", str(tmp_path / f"my{kind}.py"))]
    grid = ["--task", "mytask", "--cell", "mycell:update_bias=1", "--clip", "myclip:0.5"]
    grid += ["--optimizer", "myoptimizer:decay=0.5", "--schedule", "myschedule:power=1"]
    planned = call("plan", *files, *grid, "--results", str(tmp_path / "results"))
    assert planned.exit_code == 0, planned.output
    assert "trials    3" in planned.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["cel", "mine"], "new makes a cell, clip, task, optimizer or schedule, not a 'cel'; did you mean cell?"),
        (["optimizer", "adam"], "new optimizer: an optimizer called 'adam' is shipped"),
        (["cell", "lstm"], "new cell: a cell called 'lstm' is shipped"),
        (
            ["cell", "my-cell"],
            "new cell: 'my-cell' must be 1 to 64 letters (a to z, A to Z)",
        ),
        (["task", "../x"], "new task: '../x' must be 1 to 64 letters"),
        (["task", "base"], "new task: 'base' is reserved"),
        (["clip", "class"], "new clip: 'class' is a reserved word of Python"),
        (["cell", "mine", "--to", "nowhere"], "--to nowhere: there is no such folder"),
    ],
)
def test_bad_names_are_refused(args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("new", *args)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"longlag: {message}")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    result = call("new", "cell", "mine", "--to", str(tmp_path))
    assert result.exit_code == 2
    assert "exists and was left as it is" in result.stderr
    assert (tmp_path / "mine.py").read_text() == "mine"


def examples() -> dict[str, str]:
    """Return the READMEs' files by name: each block of Python follows the name it goes by."""
    found = re.findall(r"Here is\s+`(\w+\.py)`.*?```python\n(.*?)```", SECTION, re.DOTALL)
    return dict(found)


def commands() -> list[list[str]]:
    """Return the READMEs' commands that use its files, as words."""
    lines = SECTION.replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("longlag")]
    return [words[1:] for words in split if set(words) & set(examples())]


def test_the_readme_shows_one_of_each_and_its_commands() -> None:
    assert list(examples()) == ["leaky.py", "twice.py", "root.py", "unit.py", "halving.py", "latest.py"]
    kinds = ("cell", "cell", "clip", "optimizer", "schedule", "task")
    assert [words[0] for words in commands()] == [part for kind in kinds for part in (f"check-{kind}", "run")]


@pytest.mark.parametrize("words", commands(), ids=lambda words: f"{words[0]} {words[2]}")
def test_the_readmes_commands_work(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in examples().items():
        (tmp_path / name).write_text(text)
    result = call(*(["plan", *words[1:]] if words[0] == "run" else words))  # training would take its time
    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.stdout
