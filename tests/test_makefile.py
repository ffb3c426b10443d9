"""What README tells people to make can be made."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOLD = set(re.findall(r"\bmake ([a-z-]+)(?= +#|`| PIP_ARGS)", (ROOT / "README.md").read_text(encoding="utf-8")))


def test_readme_tells_how_to_install_to_train_and_to_test() -> None:
    assert sorted(TOLD) == ["bench", "install", "test"]


@pytest.mark.parametrize("target", sorted(TOLD))
def test_what_is_told_installs_first(target: str, tmp_path: Path) -> None:
    command = ["make", "-n", target, f"VENV={tmp_path}", "PIP_ARGS=--index-url URL"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in made if "pip install" in line and "--index-url URL" in line and '-e ".' in line]
