"""Base class and layout of the agreement tasks: sentences read word by word, and a question about one verb's number."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, Later, Task
from longlag.tasks.support.compiler import compiled

PAD, END = 0, 1
KEPT_OUT = 9
"""The residue modulo 10 of the pairs that are kept out of training."""
WORDS, VERB_AT, NUMBER, RIGHT, WRONG = range(5)
"""Rows of a table of verbs: the sentence's number of words, with the full stop; the step of the judged verb; its
number, 0 singular, 1 plural; and the verb in the right and in the wrong number, as tokens."""


class VerbTask(Task, ABC):
    """Sentences of which one verb is judged, by a language model of every word or by a classifier of the number.

    A subclass has the option `objective`. An answer is right if the verb's right form gets a higher output than its
    wrong one (``lm``), or the right number than the wrong one (``number``); a tie is half wrong. The answer is due one
    step before the verb.
    """

    tokens: ClassVar[bool] = True
    loss_name: ClassVar[str] = "cross_entropy"
    reduction: ClassVar[str] = "cross-entropy, mean over the scored steps (lm: every word; number: one a sentence)"
    error_name: ClassVar[str] = "verbs of the wrong number (share)"
    solved_below: ClassVar[float] = 0.01
    words: ClassVar[tuple[str, ...]]
    """How tokens are written; the first is the padding."""

    objective: str

    @property
    def causal(self) -> bool:
        """Whether it is a language model, which reads the verb one step after its answer; ``number`` stops before."""
        return self.objective == "lm"

    @property
    def input_size(self) -> int:
        return len(self.words)

    @property
    def output_size(self) -> int:
        return len(self.words) if self.objective == "lm" else 2

    def ask(
        self,
        sentences: np.ndarray,
        verbs: np.ndarray,
        headline: np.ndarray | None = None,
        slices: Callable[[], dict[str, np.ndarray]] = dict,
        notes: Callable[[], dict[str, np.ndarray]] = dict,
    ) -> Batch:
        """Make a batch with a question about one verb of each sentence.

        Args:
            sentences: (T + 1, B) or more: the words, as tokens, then padding.
            verbs: (5, B), the verb of each sentence: rows `WORDS`, `VERB_AT`, `NUMBER`, `RIGHT` and `WRONG`.
            headline: (B,), which sentences enter the error; None if all do.
            slices: Returns, by name, the numbers by which sentences are grouped, (B,) each.
            notes: Returns, by name, further numbers of the sentences, (B,) each.
        """
        lm = self.objective == "lm"
        steps = min(len(sentences) - 1, self.length)
        inputs, mask, targets, lengths, judged = lay_out(sentences, verbs, steps, lm)

        def noted() -> dict[str, np.ndarray]:
            right, wrong = (verbs[RIGHT], verbs[WRONG]) if lm else (verbs[NUMBER], 1 - verbs[NUMBER])
            return {"judged": judged, "right": right, "wrong": wrong, **notes()}

        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(targets),
            torch.from_numpy(mask),
            torch.from_numpy(lengths),
            headline=None if headline is None else torch.from_numpy(headline),
            slices=Later(slices),
            notes=Later(noted),
        )

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

    def ask_one(self, sentence: Sequence[int], forms: Sequence[int]) -> Batch:
        """Make a batch of one sentence, given as tokens, with a singular verb, given in both numbers."""
        verb = (len(sentence), sentence.index(forms[0]), 0, *forms)
        return self.ask(np.array(sentence)[:, None], np.array(verb)[:, None])

    def read_example(self, outputs: Tensor) -> dict[str, float]:
        """Return the probabilities of the two forms of *is*, from outputs (N, O) on the example."""
        batch = self.example()
        assert batch is not None, "there are outputs on it"
        shares = outputs[batch.notes["judged"][0]].softmax(0)
        names = ("P(is)", "P(are)") if self.objective == "lm" else ("P(singular)", "P(plural)")
        return {name: shares[batch.notes[form][0]].item() for name, form in zip(names, ("right", "wrong"), strict=True)}


@compiled
def lay_out(
    sentences: np.ndarray, verbs: np.ndarray, steps: int, every_word: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lay out inputs and targets of sentences: the next word at each step, or the verb's number one step before it.

    Args:
        sentences: (T + 1, B) or more.
        verbs: (5, B), see `VerbTask.ask`.
        steps: T.
        every_word: Whether the next word is the target at each step.

    Returns:
        Inputs (T, B), mask (T, B), targets (N,), lengths (B,) and the indices of the verbs among the targets, (B,).

    >>> sentences = np.array([[5, 5], [6, 8], [7, 9], [1, 1], [0, 0]])
    >>> verbs = np.array([[4, 4], [2, 1], [0, 1], [7, 8], [3, 4]])
    >>> inputs, mask, targets, lengths, judged = lay_out(sentences, verbs, 4, True)
    >>> inputs.T.tolist(), targets.tolist(), judged.tolist()
    ([[5, 6, 7, 0], [5, 8, 9, 0]], [6, 8, 7, 9, 1, 1], [2, 1])
    >>> inputs, mask, targets, lengths, judged = lay_out(sentences, verbs, 4, False)
    >>> inputs.T.tolist(), targets.tolist(), judged.tolist()  # the second sentence is asked first
    ([[5, 6, 0, 0], [5, 0, 0, 0]], [1, 0], [1, 0])
    """
    batch_size = sentences.shape[1]
    lengths = np.empty(batch_size, np.int64)
    judged = np.empty(batch_size, np.int64)
    scored = 0
    for column in range(batch_size):
        lengths[column] = min(verbs[WORDS, column] - 1 if every_word else verbs[VERB_AT, column], steps)
        scored += lengths[column] if every_word else 1
    inputs = np.zeros((steps, batch_size), np.int64)
    mask = np.zeros((steps, batch_size), np.bool_)
    targets = np.empty(scored, np.int64)
    scored = 0
    for step in range(steps):
        for column in range(batch_size):
            if step >= lengths[column]:
                continue
            inputs[step, column] = sentences[step, column]
            before_verb = step == verbs[VERB_AT, column] - 1
            if every_word or before_verb:
                mask[step, column] = True
                targets[scored] = sentences[step + 1, column] if every_word else verbs[NUMBER, column]
                if before_verb:
                    judged[column] = scored
                scored += 1
    return inputs, mask, targets, lengths, judged
