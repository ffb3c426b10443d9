"""Reads the sentences of agreement another way than the task writes them, and learns from them by counting."""

import re
from collections import Counter
from typing import Any

import numpy as np

from longlag.tasks.agreement import (
    ADJECTIVES,
    ADVERBS,
    CLOSINGS,
    DETERMINERS,
    END,
    NOUNS,
    PAD,
    PREPOSITIONS,
    RELATIVE_VERBS,
    VERBS,
    VOCABULARY,
    Agreement,
    tokens_of,
)
from longlag.tasks.base import Batch
from longlag.tasks.support.options import Range

DRAWS = 50_000
SIGMAS = 4.5  # of a share's standard error: a right program fails one comparison in 150,000, and seeds are fixed

# A sign a word: what it is and, in capitals, that it is plural (for relative verbs w is past).
SIGNS = np.full(len(VOCABULARY), "?")
ROLES: list[tuple[Any, str]] = [
    ([PAD], " "),
    ([END], "."),
    (tokens_of(["that"]), "t"),
    (DETERMINERS, "d"),
    (ADJECTIVES, "a"),
    (ADVERBS, "b"),
    (PREPOSITIONS, "p"),
    (CLOSINGS.ravel(), "c"),
    *[(NOUNS[:, number], "nN"[number]) for number in (0, 1)],
    *[(VERBS[:, number], "mM"[number]) for number in (0, 1)],
    *[(RELATIVE_VERBS[:, form], "vVw"[form]) for form in (0, 1, 2)],
]
for words, sign in ROLES:
    SIGNS[words] = sign
SENTENCE = re.compile(
    r"da?[nN]"
    r"(?:(?:pda?[nN]|twd[nN])"  # a relative clause about the subject stands in the past tense
    r"(?:pda?[nN]|(?<=n)tvd[nN]|(?<=N)tVd[nN])*)?"  # one about another noun agrees with it
    r"(?:tdnv|tdNV)?"  # and the last may have a subject of its own
    r"b?[mM]c"
)


def generator(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def drawn(task: Agreement, count: int = DRAWS, held_out: bool = True, key: int = 0) -> Batch:
    return task.draw(generator(key), count, held_out)


def exactly(nouns: int, objective: str = "lm") -> Agreement:
    return Agreement(Range(nouns, nouns), objective)


def places(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the words (T, B), and where the subjects and the verbs stand (B,)."""
    tokens = batch.inputs.numpy()
    return tokens, np.isin(tokens, NOUNS).argmax(0), np.isin(tokens, VERBS).argmax(0)


def lemmas(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the places in the lexicon of subject, last noun (the subject where there is no other) and verb."""
    tokens, subject, verb = places(batch)
    noun = np.isin(tokens, NOUNS)
    last = len(tokens) - 1 - noun[::-1].argmax(0)
    row = {token: index for table in (NOUNS, VERBS) for index, forms in enumerate(table) for token in forms}
    column = np.arange(tokens.shape[1])
    s, n, v = (np.array([row[token] for token in tokens[at, column]]) for at in (subject, last, verb))
    return s, n, v


def last_words(batch: Batch, count: int) -> np.ndarray:
    """Return the words before the verb, (count, B), padded in front where the sentence has fewer."""
    tokens, _, verb = places(batch)
    at = verb + np.arange(-count, 0)[:, None]
    return np.where(at >= 0, tokens[at, np.arange(tokens.shape[1])], PAD)


def vote_error(keys: list[Any], plural: np.ndarray) -> float:
    """Learn the number by majority from one half of the keys, and return the error on the other; a tie is half."""
    half = len(keys) // 2
    votes: Counter[Any] = Counter()
    for key, number in zip(keys[:half], plural[:half], strict=True):
        votes[key] += 2 * int(number) - 1
    vote = np.sign([votes[key] for key in keys[half:]])
    return float(np.mean((1 - vote * (2 * plural[half:] - 1)) / 2))


def assert_half(share: float, count: int) -> None:
    assert abs(share - 0.5) < SIGMAS * 0.5 / count**0.5, (share, count)
