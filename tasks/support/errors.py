"""The exception for a user's mistake, and suggestions for misspelt names."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A user's mistake: its message is one line that gives the rule, the value and, if there is one, a near match."""


_SYNONYMS = {"elman": "rnn", "vanilla": "rnn", "help": "--help", "version": "--version", "train": "run"}
"""Other people's words for ours; one is suggested only where our word is among the known ones."""


def near(word: str, words: Iterable[str], alike: float = 0.5) -> str:
    """Return ``; did you mean X?`` for the known word most similar to a given one; empty if none is similar enough.

    Args:
        word: The given word; upper and lower case do not matter.
        words: The known words.
        alike: The smallest similarity, from 0 to 1, as `difflib` measures it.

    >>> near("lsmt", ["gru", "lstm"]), near("ADDING", ["adding"]), near("Elman", ["gru", "rnn"])
    ('; did you mean lstm?', '; did you mean adding?', '; did you mean rnn?')
    """
    known = {one.lower(): one for one in words}
    given = word.strip().lower()
    alternatives = [meant] if (meant := _SYNONYMS.get(given)) in known else []
    alternatives += difflib.get_close_matches(given, list(known), n=1, cutoff=alike)
    return f"; did you mean {known[alternatives[0]]}?" if alternatives else ""
