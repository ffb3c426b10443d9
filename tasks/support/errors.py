"""What a user did wrong, in one line."""

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
    said = word.strip().lower()
    found = [meant] if (meant := _SYNONYMS.get(said)) in known else []
    found += difflib.get_close_matches(said, list(known), n=1, cutoff=alike)
    return f"; did you mean {known[found[0]]}?" if found else ""
