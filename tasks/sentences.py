"""What tasks about verbs share: a sentence is read word by word, and the number of one of its verbs is asked for."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Batch, Later, Task, as_tokens

PAD, END = 0, 1
KEPT_OUT = 9
"""The residue modulo 10 of what stays out of training."""


class VerbTask(Task, ABC):
    """Sentences of which one verb is judged, by a language model of every word or by a classifier of the number.

    A subclass has the option `objective`, ``lm`` or ``number``. With ``lm`` an answer is right if the verb's right form
    gets a higher output than its wrong one (a tie is half wrong), with ``number`` likewise. The answer is due one step
    before the verb.
    """

    tokens: ClassVar[bool] = True
    reduction: ClassVar[str] = "cross-entropy, mean over the scored steps (lm: every word; number: one a sentence)"
    error_name: ClassVar[str] = "verbs of the wrong number (share)"
    solved_below: ClassVar[float] = 0.01
    words: ClassVar[tuple[str, ...]]
    """How tokens are written; the first is the padding."""

    objective: str

    @property
    def causal(self) -> bool:
        """A language model reads the verb one step after it was asked for; for `number` the sentence ends before."""
        return self.objective == "lm"

    @property
    def input_size(self) -> int:
        return len(self.words)

    @property
    def output_size(self) -> int:
        return len(self.words) if self.objective == "lm" else 2

    def ask(self, slots: np.ndarray, number: np.ndarray, verbs: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Batch:
        """Ask about the verbs of sentences.

        Args:
            slots: (T + 1, B) or more: the tokens of the sentences, with padding anywhere between them.
            number: (B,), of the verbs: 0 singular, 1 plural.
            verbs: Gives their steps, (B,), and each in the right and in the wrong number, as tokens (2, B). A language
                model is trained without.
        """
        sentences, words = without_gaps(slots)
        step = np.arange(min(len(sentences) - 1, self.length))[:, None]
        if self.objective == "lm":
            lengths = words - 1
            mask = read = step < lengths
            targets = sentences[1 : len(step) + 1][mask]
        else:
            lengths = verbs()[0]
            mask, read = step == lengths - 1, step < lengths
            targets = number[mask.nonzero()[1]]

        def notes() -> dict[str, np.ndarray]:
            verb_at, forms = verbs()
            right, wrong = forms if self.objective == "lm" else (number, 1 - number)
            nth = mask.cumsum().reshape(mask.shape) - 1  # of the N outputs
            return {"judged": nth[verb_at - 1, np.arange(len(number))], "right": right, "wrong": wrong}

        return Batch(
            as_tokens(np.where(read, sentences[: len(step)], PAD)),
            as_tokens(targets),
            torch.from_numpy(mask),
            as_tokens(lengths),
            notes=Later(notes),
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        answers = outputs[batch.notes["judged"]]
        right, wrong = (answers.gather(1, batch.notes[form].unsqueeze(1)).squeeze(1) for form in ("right", "wrong"))
        return 1 - (right > wrong).to(outputs.dtype) - 0.5 * (right == wrong).to(outputs.dtype)

    @property
    def token_names(self) -> Sequence[str]:
        return self.words

    @property
    def class_names(self) -> Sequence[str]:
        return self.words if self.objective == "lm" else ("singular", "plural")

    @property
    def word_tokens(self) -> Mapping[str, int] | None:
        if self.objective != "lm":
            return None
        return {word: token for token, word in enumerate(self.words) if token != PAD}

    def read_is_and_are(self, outputs: Tensor, batch: Batch) -> dict[str, float]:
        """Return the probabilities of a singular verb's two forms, from outputs (N, O) on a batch of one sentence."""
        shares = outputs[batch.notes["judged"][0]].softmax(0)
        names = ("P(is)", "P(are)") if self.objective == "lm" else ("P(singular)", "P(plural)")
        return {name: shares[batch.notes[form][0]].item() for name, form in zip(names, ("right", "wrong"), strict=True)}


def without_gaps(slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move the words of each column (W, B) up over its padding, which goes to the end, and count them, (B,).

    >>> moved, counts = without_gaps(np.array([[0, 7], [5, 9], [0, 0], [6, 8]]))
    >>> moved.T, counts
    (array([[5, 6, 0, 0],
           [7, 9, 8, 0]]), array([2, 3]))
    """
    sentences = slots.T
    words = sentences != PAD
    counts = words.sum(1)
    moved = np.full(sentences.shape, PAD)
    moved[np.arange(len(slots)) < counts[:, None]] = sentences[words]  # both in the order of the sentences
    return moved.T, counts
