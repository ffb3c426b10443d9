"""Clips of the user's that go wrong while a plan is made: one line that names their file, and nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.tasks.support.errors import UsageError

CLIP = """
from dataclasses import dataclass
from typing import ClassVar
from longlag.clips.base import Clip

@dataclass(frozen=True)
class Mine(Clip):
    summary: ClassVar[str] = "a test"
    reference: ClassVar[str] = "a test"

    max_norm: float

    def apply(self, gradients, norms, context):
        pass

    def holds(self, raw, taken, raw_norms, taken_norms, context):
        return raw_norms == taken_norms
"""


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("def __post_init__(self):\n        raise KeyError('c')", "mine.py: KeyError: 'c'"),
        ("def __post_init__(self):\n        raise SystemExit(3)", "mine.py: SystemExit: 3"),
        ("@classmethod\n    def from_texts(cls, given):\n        return 1 / 0", "mine.py: ZeroDivisionError"),
        (
            "@property\n    def signal_limit(self):\n        return 1 / 0",
            "division by zero (line 21 of mine.py)",
        ),
        (
            "@property\n    def spec(self):\n        raise RuntimeError('none')",
            "none (line 21 of mine.py)",
        ),
    ],
)
@pytest.mark.parametrize("clip", ["mine:1", "mine:1+omega:1"])
def test_a_clip_that_raises_in_a_plan_is_one_line(clip, more, message, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"{CLIP}\n    {more}\n")
    results = tmp_path / "results"
    command = ["plan", "--plugin", str(path), "--task", "adding:length=5", "--cell", "rnn", "--clip", clip]
    found = CliRunner().invoke(main, [*command, "--results", str(results)])
    assert found.exit_code == 2
    assert found.stderr.startswith("longlag: ")
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert not results.exists()


def used(text: str, folder: Path) -> None:
    path = folder / "mine.py"
    path.write_text(text)
    registry.use([path])


def test_a_field_declared_by_its_type_alone_is_a_threshold(tmp_path: Path) -> None:
    used(CLIP.replace("    max_norm", "    largest: ClassVar[float] = 2.0\n    max_norm"), tmp_path)
    assert registry.clip("omega:1+mine:max_norm=1").spec == registry.clip("mine:1+omega:1").spec == "mine:1+omega:1"
    with pytest.raises(UsageError, match=r"clip 'mine:3': max_norm must be a number above 0, from 1e-30 to 2$"):
        registry.clip("mine:3")
    with pytest.raises(UsageError, match=r"clip 'mine' is not of the form mine:max_norm$"):
        registry.clip("mine")


def test_a_clip_may_have_options_beside_its_thresholds(tmp_path: Path) -> None:
    more = CLIP.replace("import Clip", "import Clip, option").replace(
        "max_norm: float", "max_norm: float\n    power: int = option(2, 'which norm', low=1, high=9)"
    )
    used(more, tmp_path)
    assert registry.clip("mine:power=3,max_norm=1").spec == "mine:1,power=3"
    assert registry.clip("mine:1,power=2").spec == "mine:1"
    shown = CliRunner().invoke(main, ["list", "clips", "--plugin", str(tmp_path / "mine.py")]).stdout
    assert "max_norm: a threshold [required, a number above 0]\n" in shown
    assert "power: which norm [2]\n" in shown


def test_a_field_with_a_default_that_is_no_option_is_told_how_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"class Mine: max_norm is not an option; write max_norm: type = option\("):
        used(CLIP.replace("max_norm: float", "max_norm: float = 1.0"), tmp_path)
