"""Changes planted on purpose, to measure what `longlag check` detects: regressions, improvements, refactorings."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from longlag.regression.selftest.patches import (
    clip_first,
    clip_jointly,
    early_steps_dropped,
    flat_tanh,
    forget_bias,
    missing_cue,
    one_by_one,
    permuted_units,
    reordered,
    small_identity,
    swapped_gates,
    without_the_ledger,
)
from longlag.values.trial import Trial


@dataclass(frozen=True)
class Plant:
    """A planted change.

    Attributes:
        what: The change in a few words.
        entries: The trials that it is trained on.
        change: Returns the trial that is trained in place of another; by default the same.
        patch: Returns a context in which the program is changed; by default it is not.
        worse: Whether it is a regression; improvements and refactorings are not.
    """

    what: str
    entries: Callable[[Trial], bool]
    change: Callable[[Trial], Trial] = lambda trial: trial
    patch: Callable[[], Any] = ExitStack
    worse: bool = True


def _at(*wanted: str) -> Callable[[Trial], bool]:
    """Return a test for trials named by ``task``, ``task cell`` (both with Adam) or ``task cell optimizer``."""
    named = [tuple(text.split()) for text in wanted]

    def fits(trial: Trial) -> bool:
        names = (_kind(trial.task), _kind(trial.cell), _kind(trial.optimizer))
        return any(names[: len(one)] == one and (len(one) == 3 or names[2] == "adam") for one in named)

    return fits


def _kind(spec: str) -> str:
    """Shorten a spec to its name and, for a plain network, its initialisation."""
    name, _, options = spec.partition(":")
    return name + (f"/{options.rpartition('init=')[2]}" if "init=" in options else "")


def _rate(factor: float) -> Callable[[Trial], Trial]:
    return lambda trial: replace(trial, lr=trial.lr * factor)


PLANTS: Mapping[str, Plant] = {
    "clip-first": Plant(
        "clipping called before backward",
        _at("temporal_order rnn/orthogonal sgd", "adding gru sgd"),
        patch=lambda: without_the_ledger(clip_first),
    ),
    "clip-jointly": Plant(
        "clipping on the joint norm of a cohort",
        _at("copy rnn/orthogonal sgd"),
        patch=lambda: without_the_ledger(clip_jointly),
    ),
    "forget-bias": Plant(
        "forget-gate bias -1 instead of 1", _at("copy lstm", "temporal_order lstm"), patch=lambda: forget_bias(-1.0)
    ),
    "swapped-gates": Plant(
        "a gate pair swapped in the backward pass only", _at("copy gru", "agreement lstm"), patch=swapped_gates
    ),
    "flat-tanh": Plant("tanh's derivative replaced by 1", _at("copy rnn", "temporal_order rnn"), patch=flat_tanh),
    "small-rate": Plant(
        "learning rate x .3",
        _at("adding", *(f"{task} {cell}" for task in ("copy", "temporal_order") for cell in ("rnn", "lstm", "gru"))),
        change=_rate(0.3),
    ),
    "missing-cue": Plant(
        "the recall cue missing from one training sequence in three",
        _at("copy gru"),
        patch=missing_cue,
    ),
    "small-identity": Plant(
        "identity initialisation scaled by .5",
        _at("copy rnn/identity", "adding rnn/identity", "temporal_order rnn/identity", "agreement rnn/identity"),
        patch=small_identity,
    ),
    "early-steps": Plant(
        "gradients of the first quarter of the sequence dropped",
        _at("adding gru", "temporal_order gru", "agreement", "copy rnn/orthogonal sgd"),
        patch=early_steps_dropped,
    ),
    "short-memory": Plant(
        "the optimiser's second-moment decay .9 instead of .999",
        _at("copy gru", "temporal_order rnn"),
        change=lambda trial: replace(trial, optimizer="adam:beta2=0.9"),
    ),
    "higher-rate": Plant(
        "a higher learning rate where it was low", _at("temporal_order lstm"), change=_rate(3.0), worse=False
    ),
    "forget-bias-3": Plant(
        "forget-gate bias 3 instead of 1", _at("copy lstm"), patch=lambda: forget_bias(3.0), worse=False
    ),
    "permuted-units": Plant(
        "the hidden units in another order", _at("temporal_order lstm"), patch=permuted_units, worse=False
    ),
    "reordered-cohort": Plant(
        "the trials of a cohort in another order", _at("temporal_order gru"), patch=reordered, worse=False
    ),
    "other-workers": Plant(
        "cohorts cut as for another number of workers", _at("temporal_order gru"), patch=one_by_one, worse=False
    ),
}
