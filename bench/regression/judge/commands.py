"""The commands that a check suggests: they repeat its own arguments, so that they can be pasted."""

import shlex
from dataclasses import dataclass

USUAL_SEEDS = 100
"""The usual number of seeds of a baseline."""


@dataclass(frozen=True)
class Commands:
    """The arguments that every suggested command repeats.

    Attributes:
        study: The study's name, or its file.
        plugins: Files of plugins.
        results: Folder of all studies; empty for the default one.
        baseline: The baseline's file; empty for the default one.
    """

    study: str
    plugins: tuple[str, ...] = ()
    results: str = ""
    baseline: str = ""

    def run(self, seeds: int | None = None) -> str:
        """Return the command that trains the study with the present source.

        >>> Commands("my study.toml", plugins=("mine.py",)).run(seeds=30)
        "longlag run 'my study.toml' --fresh --seeds 30 --plugin mine.py"
        """
        return self._spelled("run", self.study, "--fresh", *([] if seeds is None else ["--seeds", str(seeds)]))

    def accept(self) -> str:
        """Return the command that makes a new baseline of the stored results."""
        return self._spelled("baseline", "accept", self.study, "--reason", "TEXT", baseline=self.baseline)

    def train_and_accept(self) -> str:
        """Return the commands that train the study and make a baseline of it."""
        return f"{self.run(USUAL_SEEDS)} && {self.accept()}"

    def check(self, margin: int | None = None) -> str:
        """Return the command that checks again."""
        option = [] if margin is None else ["--margin", str(margin)]
        return self._spelled("check", self.study, *option, baseline=self.baseline)

    def _spelled(self, *words: str, baseline: str = "") -> str:
        options = [word for file in self.plugins for word in ("--plugin", file)]
        options += ["--results", self.results] if self.results else []
        options += ["--baseline", baseline] if baseline else []
        return shlex.join(["longlag", *words, *options])
