"""The exception for a user's mistake, and hints at names that are nearly right."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A user's mistake: its message is one line that gives the rule, the value and, if there is one, a near match."""


_SYNONYMS = {"elman": "rnn", "vanilla": "rnn", "help": "--help", "version": "--version", "train": "run"}
"""What people say who mean another word; it counts where that word is known."""


def near(word: str, words: Iterable[str], alike: float = 0.5) -> str:
    """Return ``; did you mean X?`` where a word exists that is alike to that share, capitals or not, else nothing.

    >>> near("lsmt", ["gru", "lstm"]), near("ADDING", ["adding"]), near("Elman", ["gru", "rnn"])
    ('; did you mean lstm?', '; did you mean adding?', '; did you mean rnn?')
    """
    known = {one.lower(): one for one in words}
    given = word.strip().lower()
    alternatives = [meant] if (meant := _SYNONYMS.get(given)) in known else []
    alternatives += difflib.get_close_matches(given, list(known), n=1, cutoff=alike)
    return f"; did you mean {known[alternatives[0]]}?" if alternatives else ""
