"""Clips of the user's that go wrong while a plan is made: one line that names their file, and nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main

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
