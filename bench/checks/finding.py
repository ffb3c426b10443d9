"""A finding, and how rules are run: each within its time, whatever it raises."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench import ambient
from bench.limits import TookTooLongError, first_line, place, time_limit

RULE_SECONDS = 60.0
"""The longest that one rule may take."""


class Note(str):
    """What a rule saw that its author should look at, though no rule is broken."""


@dataclass(frozen=True)
class Finding:
    """What one rule came to.

    Attributes:
        rule: The rule in a few words.
        ok: Whether it is kept.
        detail: What was seen, in plain words: a `Note` where it may be a mistake, and may not.
    """

    rule: str
    ok: bool
    detail: str

    @property
    def line(self) -> str:
        """The finding as one line."""
        kept = "note" if isinstance(self.detail, Note) else "ok"
        return f"{kept if self.ok else 'FAILED':7} {self.rule}: {self.detail}"


class BrokenRuleError(Exception):
    """A rule is not kept: its message says in plain words what was seen."""


def expect(kept: object, otherwise: str) -> None:
    """Go on where a rule is kept.

    Raises:
        BrokenRuleError: It is not.
    """
    if not kept:
        raise BrokenRuleError(otherwise)


def findings(rules: Mapping[str, Callable[[], str]], seconds: float | None = None) -> Iterator[Finding]:
    """Run rules by name, on one thread as training does; a rule returns what it saw, or raises.

    Small products gain nothing from a second thread, and on a busy machine wait for it many times their own time.

    Args:
        rules: The rules.
        seconds: The longest that one may take; `RULE_SECONDS` if not given.
    """
    for name, rule in rules.items():
        yield _finding(name, rule, RULE_SECONDS if seconds is None else seconds)


def _finding(name: str, rule: Callable[[], str], seconds: float) -> Finding:
    try:
        with ambient.arithmetic(), time_limit(seconds):
            return Finding(name, True, rule())
    except BrokenRuleError as broken:
        return Finding(name, False, str(broken))
    except TookTooLongError as slow:
        return Finding(name, False, f"it {slow}")
    except Exception as error:  # whatever is checked may raise whatever it likes
        return Finding(name, False, f"raises {first_line(error)}{place(error)}")


def random_state_untouched(what: Callable[[], object], same: Callable[[object, object], bool]) -> str:
    """Run something twice, from different global random states: they must neither move nor matter.

    Raises:
        BrokenRuleError: They do.
    """
    found = []
    for seed in (1, 2):
        with ambient.seeded(seed):
            before = ambient.random_state()
            found.append(what())
            libraries = ambient.moved(before)
        expect(not libraries, f"draws from the global random state of {', '.join(libraries)}")
    expect(same(*found), "reads a global random state: other seeds there give other numbers")
    return "neither read nor moved (python, numpy, torch)"
