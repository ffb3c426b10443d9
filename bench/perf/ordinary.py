"""An ordinary PyTorch training loop, as a good engineer would write it: the reference for the suite's speed.

It trains one trial at a time on one thread, with the fused modules of torch.nn, an embedding if inputs are tokens, the
readout at scored steps only, torch's fused Adam, `clip_grad_norm_`, and gradients set to None. The task draws the data.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longlag import registry
from longlag.process.state import arithmetic
from longlag.tasks.base import Batch, Task
from longlag.values.seeding import stream
from longlag.values.trial import Trial


def recurrent(cell: str, input_size: int, hidden_size: int) -> nn.RNN | nn.LSTM | nn.GRU:
    """Return torch's module for a cell.

    Args:
        cell: The cell's spec.
        input_size: The size of an input vector.
        hidden_size: Units.

    Raises:
        KeyError: Torch has no module for this cell.
    """
    if cell == "lstm":
        return nn.LSTM(input_size, hidden_size)
    if cell == "gru":
        return nn.GRU(input_size, hidden_size)
    nonlinearity = {"rnn": "tanh", "rnn:nonlinearity=relu": "relu"}[cell]
    return nn.RNN(input_size, hidden_size, nonlinearity=nonlinearity)


class OrdinaryNetwork(nn.Module):
    """An embedding if inputs are tokens, a recurrent module of torch.nn, and a linear readout."""

    def __init__(self, task: Task, cell: str, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(task.input_size, hidden_size) if task.tokens else None
        self.recurrent = recurrent(cell, hidden_size if task.tokens else task.input_size, hidden_size)
        self.readout = nn.Linear(hidden_size, task.output_size)

    def forward(self, batch: Batch) -> Tensor:
        """Return the outputs (N, O) at the scored steps."""
        inputs = self.embedding(batch.inputs) if self.embedding else batch.inputs
        states, _ = self.recurrent(inputs)
        scored: Tensor = self.readout(states.flatten(0, 1).index_select(0, batch.scored))
        return scored


class OrdinaryTrial:
    """A trial, trained by the ordinary loop."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.task = registry.task(trial.task)
        with torch.random.fork_rng():
            torch.manual_seed(trial.seed)
            self.network = OrdinaryNetwork(self.task, trial.cell, trial.hidden_size)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=trial.lr, fused=True)
        self.update = 0

    def step(self) -> None:
        """Do one update."""
        self.update += 1
        generator = stream("batches", self.trial.task, self.trial.seed).generator(self.update)
        batch = self.task.draw(generator, self.trial.batch_size)
        self.optimiser.zero_grad(set_to_none=True)
        self.task.loss(self.network(batch), batch).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> float:
        """Return the error on a batch."""
        return self.task.errors(self.network(batch), batch).mean().item()


def train(trials: Sequence[Trial], sequences: int) -> None:
    """Train trials one after the other, each to its budget, with as many evaluations as the suite makes.

    Args:
        trials: The trials.
        sequences: Sequences of an evaluation.
    """
    with arithmetic():
        for trial in trials:
            ordinary = OrdinaryTrial(trial)
            batch = ordinary.task.draw(stream("evaluation", trial.task).generator(), sequences, held_out=True)
            ordinary.evaluate(batch)
            for update in range(1, trial.updates + 1):
                ordinary.step()
                if update % trial.eval_every == 0:
                    ordinary.evaluate(batch)
