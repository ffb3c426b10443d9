"""The contract of a schedule: its factors over budgets of several lengths."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from longlag import registry
from longlag.checks.finding import Finding, expect, findings, global_state_untouched
from longlag.checks.trials import company
from longlag.schedules.base import Schedule

BUDGETS = (1, 2, 7, 1000)


def check_schedule(spec: str) -> Iterator[Finding]:
    """Check a schedule's contract.

    Args:
        spec: The schedule, as users write it.

    Raises:
        UsageError: There is no such schedule.
    """
    factors = Factors(registry.schedule(spec))
    rules = {
        "numbers": factors.numbers,
        "acts": factors.acts,
        "determinism": factors.determinism,
        "global state": factors.global_state,
        "run": lambda: company(schedule=spec),
    }
    return findings(rules, needed=("numbers",))


@dataclass(frozen=True)
class Factors:
    """The factors of a schedule."""

    schedule: Schedule

    def over(self, budget: int) -> list[float]:
        """Return the factors of all updates of a budget."""
        return [self.schedule.factor(update, budget) for update in range(1, budget + 1)]

    def numbers(self) -> str:
        """Every factor is a finite number of at least 0."""
        for budget in BUDGETS:
            for update, factor in enumerate(self.over(budget), start=1):
                number = isinstance(factor, int | float) and not isinstance(factor, bool) and isfinite(factor)
                where = f"at update {update} of {budget}"
                expect(
                    number and factor >= 0,
                    f"factor() must return a finite number of at least 0, not {factor!r} {where}",
                )
        return f"finite numbers of at least 0 for budgets of {', '.join(map(str, BUDGETS))} updates"

    def acts(self) -> str:
        """Some factor is above 0."""
        factors = self.over(BUDGETS[-1])
        expect(max(factors) > 0, "every factor is 0: nothing would be learned")
        return f"from {factors[0]:.3g} to {factors[-1]:.3g} over {BUDGETS[-1]} updates, {max(factors):.3g} at most"

    def determinism(self) -> str:
        """A factor depends on its update and its budget alone, not on earlier calls."""
        forwards = self.over(BUDGETS[-1])
        backwards = [self.schedule.factor(update, BUDGETS[-1]) for update in range(BUDGETS[-1], 0, -1)][::-1]
        expect(forwards == backwards, "a factor depends on earlier calls")
        return "an update has the same factor in any order of calls"

    def global_state(self) -> str:
        """Nothing is drawn from global generators, and no setting of the process is changed."""
        return global_state_untouched(lambda: self.over(BUDGETS[-1]), lambda one, other: one == other)
