"""Runs checks over what is shipped and over files that are broken on purpose."""

from functools import partial
from pathlib import Path

from longlag import registry
from longlag.checks.cells import check_cell
from longlag.checks.clips import check_clip
from longlag.checks.optimisers import check_optimizer
from longlag.checks.schedules import check_schedule
from longlag.checks.tasks import check_task

CHECKS = {
    "cell": partial(check_cell, timed=False),
    "task": partial(check_task, timed=False),
    "clip": check_clip,
    "optimizer": check_optimizer,
    "schedule": check_schedule,
}


def broken(findings) -> dict[str, str]:
    """Return what was seen of each rule that is not kept."""
    return {finding.rule: finding.detail for finding in findings if finding.ok is False}


def broken_by(kind: str, text: str, old: str, new: str, folder: Path) -> dict[str, str]:
    """Return which rules a file of a kind breaks in which something was changed."""
    assert old in text
    path = folder / "mine.py"
    path.write_text(text.replace(old, new))
    registry.use([path])
    return broken(CHECKS[kind]("mine"))
