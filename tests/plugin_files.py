"""Schedules of the user's in files, which may import and read whatever a test lays beside them."""

from pathlib import Path

from longlag import registry

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
TINY = {"task": "copy:items=1,symbols=2,blanks=1", "cell": "rnn", "schedule": "mine", "seeds": 1, "updates": 2}
TINY |= {"eval_every": 1, "hidden_size": 4, "batch_size": 2}


def written(folder: Path, name: str = "mine.py", imports: str = "", body: str = "", value: str = "1.0") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCHEDULE.format(imports=imports, body=body, value=value))
    return path


def digest(path: Path) -> str:
    registry.use([path])
    return registry.used()[0].digest
