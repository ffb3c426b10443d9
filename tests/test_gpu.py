"""The same code on a CUDA device: the first twenty updates agree with the CPU's."""

import pytest
import torch

from longlag.training.cohort import Cohort
from longlag.values.trial import Trial

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("task", ["copy:items=2,blanks=5", "adding:length=12", "agreement:nouns=0-1"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_twenty_updates_agree_with_the_cpu(task: str, cell: str) -> None:
    def trained(device: str) -> torch.Tensor:
        trials = [
            Trial(task, cell, clip, 1e-3, seed, hidden_size=16, device=device)
            for clip in ("none", "norm:1", "value:0.1")
            for seed in (0, 1)
        ]
        cohort = Cohort(trials, {})
        for _ in range(20):
            cohort.step()
        return cohort.parameters.cpu()

    # Adam divides small gradients by their own size: rounding of 1e-6 in one becomes up to 1e-4 of a step.
    torch.testing.assert_close(trained("cuda"), trained("cpu"), rtol=1e-3, atol=1e-4)
