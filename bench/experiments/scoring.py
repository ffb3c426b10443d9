"""Scores minimal pairs with trained networks: does the grammatical sentence get the higher probability?

A language model gives every word a probability given the words before it. The score of a sentence is the sum of their
logarithms from the second word on; a pair is right if the grammatical sentence has the higher score (Marvin & Linzen
2018), half right at a tie.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from longlag import registry
from longlag.experiments.minimal_pairs import MinimalPair
from longlag.plan.study import Study
from longlag.process.state import arithmetic
from longlag.store.results import load
from longlag.tasks.base import Batch
from longlag.tasks.support.errors import UsageError
from longlag.training import checkpoints
from longlag.training.checkpoints import KeptNetwork
from longlag.values.trial import Status

_CHUNK = 1024

Sentence = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Probed:
    """The outcome of a probe.

    Attributes:
        trials: One row per trial whose network was probed, as `longlag.store.results.load` returns it.
        scores: One row for each trial, construction and attractor count (missing where unknown): ``key, construction,
            attractors, pairs, right``.
        coverage: One row for each task and file: ``task, file, pairs, scored, unknown_words, too_long``.
        words: One row for each task and unknown word: ``task, word, pairs`` (the pairs that hold it).
        without: The number of trials that could have been probed if their networks had been kept.
    """

    trials: pd.DataFrame
    scores: pd.DataFrame
    coverage: pd.DataFrame
    words: pd.DataFrame
    without: int


@dataclass(frozen=True, eq=False)
class Known:
    """The pairs that a task's networks can score, also as tokens, and the numbers of excluded pairs by reason."""

    pairs: list[MinimalPair]
    tokens: list[tuple[Sentence, Sentence]]
    coverage: list[dict[str, object]]
    unknown: Counter[str]


def probe(study: str | Study, results: Path, pairs: Mapping[str, Sequence[MinimalPair]]) -> Probed:
    """Score pairs with the networks that a study kept.

    Args:
        study: The study's name, or a study, as for `longlag.store.results.load`.
        results: The results folder.
        pairs: The pairs of each file.

    Raises:
        UsageError: The study has no language model over words or no kept networks, a network cannot be loaded, or none
            of the pairs can be scored.
        StoreError: The store cannot be used.
    """
    trials, name = load(study, results), study if isinstance(study, str) else study.name
    readers = {spec: registry.task(spec).word_tokens for spec in trials["task"].unique()}
    trials = trials[[readers[spec] is not None for spec in trials["task"]]]
    if trials.empty:
        tasks = ", ".join(readers) or "none"
        raise UsageError(f"study {name} has no task with words, such as agreement; its tasks: {tasks}")
    trials = trials[[Status(status).has_network for status in trials["status"]]]
    folder = checkpoints.folder_of(name, results)
    held = trials[[checkpoints.path_of(folder, key).is_file() for key in trials["key"]]]
    if held.empty:
        raise UsageError(f"study {name} kept no networks: run it again with --keep-networks")
    known = {spec: _known(spec, pairs) for spec in held["task"].unique()}
    if not any(of_task.pairs for of_task in known.values()):
        raise UsageError(f"none of the pairs can be scored: {_why(known.values())}")
    scores = [row for _, trial in held.iterrows() for row in _scores(_matching(folder, trial), known[trial["task"]])]
    words = [
        {"task": spec, "word": word, "pairs": count}
        for spec, of_task in known.items()
        for word, count in sorted(of_task.unknown.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Probed(
        trials=held,
        scores=pd.DataFrame(scores),
        coverage=pd.DataFrame([row for of_task in known.values() for row in of_task.coverage]),
        words=pd.DataFrame(words, columns=["task", "word", "pairs"]),
        without=len(trials) - len(held),
    )


def _why(known: Iterable[Known]) -> str:
    unknown = sum((of_task.unknown for of_task in known), Counter[str]())
    words = sorted(unknown, key=lambda word: (-unknown[word], word))[:5] + ["..."] * (len(unknown) > 5)
    return f"they hold unknown words ({', '.join(words)})" if unknown else "they are longer than the task's sentences"


def _matching(folder: Path, trial: pd.Series) -> KeptNetwork:
    """Load a trial's network, and compare its fingerprint with the stored row.

    Raises:
        UsageError: The network does not belong to the stored result.
    """
    path = checkpoints.path_of(folder, trial["key"])
    network = checkpoints.load_network(path)
    if network.fingerprint != trial["fingerprint"]:
        raise UsageError(f"{path} is not the network of the stored trial: run the study again with --keep-networks")
    return network


def _known(spec: str, pairs: Mapping[str, Sequence[MinimalPair]]) -> Known:
    task = registry.task(spec)
    tokens = task.word_tokens
    assert tokens is not None
    known = Known([], [], [], Counter())
    for file, of_file in pairs.items():
        before, too_long = len(known.pairs), 0
        unknown_words = 0
        for pair in of_file:
            unknown = {word for word in pair.good + pair.bad if word not in tokens}
            if unknown:
                known.unknown.update(sorted(unknown))
                unknown_words += 1
            elif max(len(pair.good), len(pair.bad)) > task.length + 1:
                too_long += 1
            else:
                known.pairs.append(pair)
                good, bad = (tuple(tokens[word] for word in words) for words in (pair.good, pair.bad))
                known.tokens.append((good, bad))
        scored = len(known.pairs) - before
        counts = {"pairs": len(of_file), "scored": scored, "unknown_words": unknown_words, "too_long": too_long}
        known.coverage.append({"task": spec, "file": Path(file).name, **counts})
    return known


def _scores(network: KeptNetwork, known: Known) -> list[dict[str, object]]:
    values = log_probabilities(network, sorted({sentence for pair in known.tokens for sentence in pair}))
    groups: dict[tuple[str, int | None], list[float]] = defaultdict(list)
    for pair, (good, bad) in zip(known.pairs, known.tokens, strict=True):
        difference = values[good] - values[bad]
        groups[pair.construction, pair.attractors].append(0.5 if difference == 0 else float(difference > 0))
    return [
        {
            "key": network.trial.key,
            "construction": construction,
            "attractors": attractors,
            "pairs": len(right),
            "right": sum(right),
        }
        for (construction, attractors), right in groups.items()
    ]


@torch.no_grad()
def log_probabilities(network: KeptNetwork, sentences: Sequence[Sentence]) -> dict[Sentence, float]:
    """Return the logarithm of each sentence's probability given its first word, in nats."""
    views = network.network.layout.views(network.row)
    by_length: dict[int, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        by_length[len(sentence)].append(sentence)
    scores: dict[Sentence, float] = {}
    with arithmetic():
        for alike in by_length.values():
            for start in range(0, len(alike), _CHUNK):
                part = alike[start : start + _CHUNK]
                tokens = torch.from_numpy(np.array(part).T.copy())
                mask = torch.ones_like(tokens[1:], dtype=torch.bool)
                batch = Batch(tokens[:-1].contiguous(), tokens[1:].flatten(), mask)
                outputs = network.network.outputs(views, batch).double().log_softmax(1)
                sums = outputs.gather(1, batch.targets.unsqueeze(1)).view(tokens[1:].shape).sum(0)
                scores |= dict(zip(part, sums.tolist(), strict=True))
    return scores
