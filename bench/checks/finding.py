"""Findings, and a runner for rules: each has a time limit and may raise anything."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from longlag.process import state
from longlag.process.guards import TookTooLongError, first_line, no_exit, place, time_limit

RULE_SECONDS = 60.0
"""The longest that one rule may take."""


class Note(str):
    """An observation that a plugin's author should look at, although no rule is broken."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule.

    Attributes:
        rule: The rule in a few words.
        ok: Whether it is kept; None if it was not tried.
        detail: The observation, in plain words; a `Note` if it may be a mistake.
        slow: Whether it took too long.
    """

    rule: str
    ok: bool | None
    detail: str
    slow: bool = False

    @property
    def line(self) -> str:
        """The finding as one line."""
        kept = "note" if isinstance(self.detail, Note) else "ok"
        return f"{'-' if self.ok is None else kept if self.ok else 'FAILED':7} {self.rule}: {self.detail}"


class BrokenRuleError(Exception):
    """A rule is broken; the message states in plain words what was observed."""


def expect(kept: object, otherwise: str) -> None:
    """Raise an error where a rule is broken.

    Raises:
        BrokenRuleError: The rule is broken.
    """
    if not kept:
        raise BrokenRuleError(otherwise)


def findings(
    rules: Mapping[str, Callable[[], str]], needed: Collection[str] = (), seconds: float | None = None
) -> Iterator[Finding]:
    """Run rules by name, on one thread as training does; a rule returns its observation, or raises.

    Small products do not gain from a second thread, and on a busy machine they may wait for it many times their time.

    Args:
        rules: The rules.
        needed: Rules that the others depend on, if all are about one object. Once one of them is broken, or any rule
            raises or takes too long, the others are not tried: their findings would be false, or repeat the first.
        seconds: The time limit of a rule; `RULE_SECONDS` by default.
    """
    ended_by = ""
    for name, rule in rules.items():
        if ended_by:
            yield Finding(name, None, f"not tried, since {ended_by}")
            continue
        try:
            limit = time_limit(RULE_SECONDS if seconds is None else seconds)
            with state.arithmetic(), state.settled(), no_exit(), limit:
                finding = Finding(name, True, rule())
        except BrokenRuleError as broken:
            finding, ended_by = Finding(name, False, str(broken)), f"{name} is broken" * (name in needed)
        except TookTooLongError as slow:
            finding, ended_by = Finding(name, False, f"it {slow}", slow=True), f"{name} took too long" * bool(needed)
        except (Exception, SystemExit) as error:  # the code that is checked may raise anything
            message = f"raises {first_line(error)}{place(error)}"
            finding, ended_by = Finding(name, False, message), f"{name} raises" * bool(needed)
        yield finding


def global_state_untouched(what: Callable[[], object], same: Callable[[object, object], bool]) -> str:
    """Call a function from equal and different global random states, which it must neither read nor change.

    Args:
        what: The function.
        same: Whether two of its results are equal.

    Returns:
        The observation.

    Raises:
        BrokenRuleError: The result depends on the state, or the call changes it or settings of the process.
    """
    results = []
    for seed in (1, 1, 2):
        with state.seeded(seed), state.settled() as settings:
            before = state.random_state()
            results.append(what())
            libraries, changed = state.moved(before), state.changed(settings)
        expect(not libraries, f"draws from the global random state of {', '.join(libraries)}")
        expect(not changed, f"changes {', '.join(changed)} for the whole process")
    one, again, other = results
    expect(same(one, again), "gives other numbers the second time, from the same global random state")
    expect(same(one, other), "reads a global random state: other seeds there give other numbers")
    return "random state neither read nor moved (python, numpy, torch), settings left as they are"
