"""The contract of a task's windows: the errors of a small network that sees only a window, compared with the floors.

If the network beats a floor, a rule is broken. A floor that it does not reach may be too low, or just hard to learn.
"""

from dataclasses import dataclass
from functools import cached_property

from longlag.checks.finding import Note, expect
from longlag.checks.leaks import LONGER, Hunt, hunt
from longlag.tasks.base import Task

_FAR, _TOO_SHORT = 0.25, 0.5
"""The excess over a floor that gives a note, and the largest gain of one more step, as shares of floor(0)."""


@dataclass(frozen=True)
class Windows:
    """A task, and small networks that see some of its steps."""

    task: Task

    @cached_property
    def hunts(self) -> list[Hunt]:
        """The results of small networks whose windows are too small to solve the task."""
        return [hunt(self.task, window) for window in sorted({0, self.task.min_lag // 2, self.task.min_lag - 1})]

    def leaks(self) -> str:
        """A small network that sees too little does not beat the floor."""
        self._none_leaks(self.hunts)
        listed = ", ".join(f"{one.error:.3g} with {one.window} steps (floor {one.floor:.3g})" for one in self.hunts)
        return f"none found by a small network: its error is {listed}"

    def windows(self) -> str:
        """Note floors that a small network does not reach, even when trained longer; this breaks no rule."""
        far = [hunt(self.task, one.window, LONGER) for one in self._far(self.hunts)]
        self._none_leaks(far)
        if far := self._far(far):
            listed = [f"{one.error:.3g} with {self._seen(one.window)}, the floor is {one.floor:.3g}" for one in far]
            return Note(f"a small network reached {'; '.join(listed)}: the floor is too low, or just hard to learn")
        return self._a_step_off() or f"no such error is more than {_FAR * self.task.floor(0):.2g} above its floor"

    def _a_step_off(self) -> Note | None:
        """Note a floor between window and the next one that a small network reaches only with one more step."""
        window, whole = self.task.min_lag // 2, self.task.floor(0)
        if not whole > self.task.floor(window) > self.task.floor(window + 1):
            return None
        here, more = (hunt(self.task, steps, LONGER) for steps in (window, window + 1))
        chance = 4 * here.deviation + 0.01 * whole
        if here.error - here.floor <= chance or abs(more.error - here.floor) > chance:
            return None
        observed = f"a small network reached {here.error:.3g} with {self._seen(window)}, with one more {more.error:.3g}"
        return Note(f"{observed}; the floor of {window} steps is {here.floor:.3g}: perhaps floors are off by a step")

    def enough(self) -> str:
        """A small network does not do much better with a step more than `min_lag`, with which it could solve."""
        least = self.task.min_lag
        if least == self.task.length:
            return f"min_lag is the whole sequence, {least} steps"
        enough, more = (hunt(self.task, window, LONGER) for window in (least, least + 1))
        observed = (
            f"a small network reaches {enough.error:.3g} with {self._seen(least)}, {more.error:.3g} with one more"
        )
        gain = (enough.error - more.error) / self.task.floor(0)
        expect(gain <= _TOO_SHORT, f"{observed}: min_lag is too short")
        return Note(f"{observed}: perhaps min_lag is too short") if gain > _FAR else observed

    def _far(self, found: list[Hunt]) -> list[Hunt]:
        return [one for one in found if one.window and one.error - one.floor > _FAR * self.task.floor(0)]

    def _none_leaks(self, found: list[Hunt]) -> None:
        for one in found:
            seen = f"a small network that sees {self._seen(one.window)} has an error of {one.error:.3g}"
            observed = f"{seen}, below the floor of that window, {one.floor:.3g}"
            expect(not one.leaks, f"{observed}: the floor is too high, or an input reveals the answer")

    def _seen(self, window: int) -> str:
        return f"the {'next' if self.task.looks_ahead else 'last'} {window} steps"
