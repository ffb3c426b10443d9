"""What tasks about verbs share: a sentence is read word by word, and the number of one of its verbs is asked for."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Batch, Task, as_tokens

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

    def ask(self, sentences: np.ndarray, verb_at: np.ndarray, number: np.ndarray, forms: np.ndarray) -> Batch:
        """Ask about the verbs of sentences.

        Args:
            sentences: (T + 1, B) tokens, padded at their ends.
            verb_at: (B,), the steps of the verbs.
            number: (B,), theirs: 0 singular, 1 plural.
            forms: (2, B), each verb in the right and in the wrong number, as tokens.
        """
        step = np.arange(len(sentences) - 1)[:, None]
        if self.objective == "lm":
            lengths = (sentences != PAD).sum(0) - 1
            mask, targets, answers = step < lengths, sentences[1:], forms
        else:
            lengths = verb_at
            mask, targets = step == verb_at - 1, np.broadcast_to(number, sentences[1:].shape)
            answers = np.stack([number, 1 - number])
        inputs = np.where(step < lengths, sentences[:-1], PAD)
        nth = mask.cumsum().reshape(mask.shape) - 1  # of the N outputs
        judged = nth[verb_at - 1, np.arange(len(number))]
        return Batch(
            as_tokens(inputs[: self.length]),
            as_tokens(targets[mask]),
            torch.from_numpy(mask[: self.length]),
            as_tokens(lengths),
            notes={"judged": as_tokens(judged), "right": as_tokens(answers[0]), "wrong": as_tokens(answers[1])},
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


def without_gaps(slots: np.ndarray) -> np.ndarray:
    """Move the words of each column up over its padding, which goes to the end.

    >>> without_gaps(np.array([[0, 7], [5, 0], [0, 0], [6, 8]])).T
    array([[5, 6, 0, 0],
           [7, 8, 0, 0]])
    """
    sentences = slots.T
    words = sentences != PAD
    moved = np.zeros_like(sentences)
    moved[np.arange(len(slots)) < words.sum(1)[:, None]] = sentences[words]  # both in the order of the sentences
    return moved.T
