"""Whether any network of a study has what a lens looks at, asked before anything is trained."""

from collections.abc import Sequence

import torch

from longlag.lens.support.named import lens
from longlag.lens.support.sequences import subject_of
from longlag.networks.build import network_of
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial


def check_asked(lenses: Sequence[str], trials: Sequence[Trial]) -> None:
    """Refuse lenses that none of the trials' networks has anything for.

    Args:
        lenses: Their names.
        trials: At least one.

    Raises:
        UsageError: There is such a lens; the message says why for the first trial.
    """
    alike = list({(trial.task, trial.cell, trial.wiring): trial for trial in trials}.values())
    for name in lenses:
        said = ""
        for trial in alike:
            network = network_of(trial)
            subject = subject_of(trial, network, torch.from_numpy(network.initial_row(trial.seed)))
            why = lens(name).refusal(subject)
            if not why:
                break
            said = said or why
        else:
            raise UsageError(f"lens {name}: {said}")
