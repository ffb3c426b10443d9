"""The commands that a check suggests: they repeat what it was given, so that they can be pasted."""

import shlex
from dataclasses import dataclass

USUAL_SEEDS = 100
"""Of a baseline."""


@dataclass(frozen=True)
class Commands:
    """What every suggested command must repeat.

    Attributes:
        study: The study's name, or its file.
        plugins: Files of plugins.
        results: Folder of all studies; empty for the usual one.
        baseline: The baseline's file; empty for the usual one.
    """

    study: str
    plugins: tuple[str, ...] = ()
    results: str = ""
    baseline: str = ""

    def run(self, seeds: int | None = None) -> str:
        """Return what trains the study by the present source.

        >>> Commands("my study.toml", plugins=("mine.py",)).run(seeds=30)
        "longlag run 'my study.toml' --fresh --seeds 30 --plugin mine.py"
        """
        return self._spelled("run", self.study, "--fresh", *([] if seeds is None else ["--seeds", str(seeds)]))

    def accept(self) -> str:
        """Return what makes a new baseline of what is stored."""
        return self._spelled("baseline", "accept", self.study, "--reason", "TEXT", baseline=self.baseline)

    def train_and_accept(self) -> str:
        """Return what makes a new baseline from nothing."""
        return f"{self.run(USUAL_SEEDS)} && {self.accept()}"

    def check(self, margin: int | None = None) -> str:
        """Return what checks again."""
        asked = [] if margin is None else ["--margin", str(margin)]
        return self._spelled("check", self.study, *asked, baseline=self.baseline)

    def _spelled(self, *words: str, baseline: str = "") -> str:
        options = [word for file in self.plugins for word in ("--plugin", file)]
        options += ["--results", self.results] if self.results else []
        options += ["--baseline", baseline] if baseline else []
        return shlex.join(["longlag", *words, *options])
