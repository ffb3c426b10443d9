"""Sentences "the <opinion> <noun> was terribly ... <opinion>", whose last word says whether "terribly" is praise."""

import numpy as np

PRAISE = ("exciting", "funny", "moving", "clever")
BLAME = ("boring", "dull", "clumsy", "tedious")
NOUNS = ("film", "play", "book", "song")
ADVERBS = ("so", "very", "truly", "quite", "really", "rather")
WORDS = (".", "the", "was", "terribly", *PRAISE, *BLAME, *NOUNS, *ADVERBS)
TOKENS = {word: token for token, word in enumerate(WORDS)}
ASKED = 4
"""The step of "terribly"."""
CLASSES = ("blame", "praise")
OPINIONS = (TOKENS[PRAISE[0]], TOKENS[BLAME[-1]] + 1)
_NOUNS = (TOKENS[NOUNS[0]], TOKENS[NOUNS[-1]] + 1)
_ADVERBS = (TOKENS[ADVERBS[0]], TOKENS[ADVERBS[-1]] + 1)


def write(generator: np.random.Generator, distances: np.ndarray, length: int) -> np.ndarray:
    """Draw sentences as tokens (T, B), padded with ".".

    Both opinions are independent and uniform over praise and blame.

    Args:
        generator: The random generator.
        distances: (B,), the steps from "terribly" to the last word.
        length: T.
    """
    batch_size = len(distances)
    last, column = ASKED + distances, np.arange(batch_size)
    inputs = generator.integers(*_ADVERBS, size=(length, batch_size))
    inputs[0], inputs[3], inputs[ASKED] = TOKENS["the"], TOKENS["was"], TOKENS["terribly"]
    inputs[1] = generator.integers(*OPINIONS, size=batch_size)
    inputs[2] = generator.integers(*_NOUNS, size=batch_size)
    inputs[last, column] = generator.integers(*OPINIONS, size=batch_size)
    inputs[np.arange(length)[:, None] > last] = TOKENS["."]
    return inputs


def polarity(words: np.ndarray) -> np.ndarray:
    """Return the class of the one opinion after "terribly" in (T, B) words, (B,): 1 for praise, 0 for blame.

    >>> read = "the dull film was terribly so truly exciting ."
    >>> polarity(np.array([TOKENS[word] for word in read.split()])[:, None])
    array([1])
    """
    praised = (words >= TOKENS[PRAISE[0]]) & (words <= TOKENS[PRAISE[-1]])
    return np.asarray(praised[ASKED:].any(0), np.int64)
