"""Checks, before anything is trained, that each lens applies to some network of a study."""

from collections.abc import Sequence

import torch

from longlag.lens.support.named import lens
from longlag.lens.support.sequences import subject_of
from longlag.networks.build import network_of
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial


def check_asked(lenses: Sequence[str], trials: Sequence[Trial]) -> None:
    """Check that each lens applies to the network of some trial.

    Args:
        lenses: The names of lenses.
        trials: At least one trial.

    Raises:
        UsageError: A lens applies to none; the message gives the reason for the first trial.
    """
    alike = list({(trial.task, trial.cell, trial.wiring): trial for trial in trials}.values())
    for name in lenses:
        first_reason = ""
        for trial in alike:
            network = network_of(trial)
            subject = subject_of(trial, network, torch.from_numpy(network.initial_row(trial.seed)))
            why = lens(name).refusal(subject)
            if not why:
                break
            first_reason = first_reason or why
        else:
            raise UsageError(f"lens {name}: {first_reason}")
