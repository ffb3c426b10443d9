"""A finding, and how rules are run: each within its time, whatever it raises."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from longlag.process import state
from longlag.process.guards import TookTooLongError, first_line, no_exit, place, time_limit

RULE_SECONDS = 60.0
"""The longest that one rule may take."""


class Note(str):
    """What a rule saw that its author should look at, though no rule is broken."""


@dataclass(frozen=True)
class Finding:
    """What one rule came to.

    Attributes:
        rule: The rule in a few words.
        ok: Whether it is kept; None where it was not tried.
        detail: What was seen, in plain words: a `Note` where it may be a mistake, and may not.
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
    """A rule is not kept: its message says in plain words what was seen."""


def expect(kept: object, otherwise: str) -> None:
    """Go on where a rule is kept.

    Raises:
        BrokenRuleError: It is not.
    """
    if not kept:
        raise BrokenRuleError(otherwise)


def findings(
    rules: Mapping[str, Callable[[], str]], needed: Collection[str] = (), seconds: float | None = None
) -> Iterator[Finding]:
    """Run rules by name, on one thread as training does; a rule returns what it saw, or raises.

    Small products gain nothing from a second thread, and on a busy machine wait for it many times their own time.

    Args:
        rules: The rules.
        needed: Those that the others rest on, where all are about one thing. Once one of them is broken, or any rule
            raises or takes too long, the rest is not tried: what it said would be false, or the same again.
        seconds: The longest that one may take; `RULE_SECONDS` if not given.
    """
    ended_by = ""
    for name, rule in rules.items():
        if ended_by:
            yield Finding(name, None, f"not tried, since {ended_by}")
            continue
        try:
            limit = time_limit(RULE_SECONDS if seconds is None else seconds)
            with state.arithmetic(), state.settled(), no_exit(), limit:
                found = Finding(name, True, rule())
        except BrokenRuleError as broken:
            found, ended_by = Finding(name, False, str(broken)), f"{name} is broken" * (name in needed)
        except TookTooLongError as slow:
            found, ended_by = Finding(name, False, f"it {slow}", slow=True), f"{name} took too long" * bool(needed)
        except (Exception, SystemExit) as error:  # whatever is checked may raise whatever it likes
            said = f"raises {first_line(error)}{place(error)}"
            found, ended_by = Finding(name, False, said), f"{name} raises" * bool(needed)
        yield found


def global_state_untouched(what: Callable[[], object], same: Callable[[object, object], bool]) -> str:
    """Run something from the same and from another global random state: neither they nor settings may move or matter.

    Raises:
        BrokenRuleError: They do.
    """
    found = []
    for seed in (1, 1, 2):
        with state.seeded(seed), state.settled() as settings:
            before = state.random_state()
            found.append(what())
            libraries, changed = state.moved(before), state.changed(settings)
        expect(not libraries, f"draws from the global random state of {', '.join(libraries)}")
        expect(not changed, f"changes {', '.join(changed)} for the whole process")
    one, again, other = found
    expect(same(one, again), "gives other numbers the second time, from the same global random state")
    expect(same(one, other), "reads a global random state: other seeds there give other numbers")
    return "random state neither read nor moved (python, numpy, torch), settings left as they are"
