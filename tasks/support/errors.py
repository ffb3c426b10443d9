"""What a user did wrong, in one line."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A user's mistake: its message is one line that gives the rule, the value and, if there is one, a near match."""


def near(word: str, words: Iterable[str], alike: float = 0.5) -> str:
    """Return ``; did you mean X?`` where a word exists that is alike to that share, else nothing.

    >>> near("lsmt", ["gru", "lstm"])
    '; did you mean lstm?'
    """
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=alike)
    return f"; did you mean {found[0]}?" if found else ""
