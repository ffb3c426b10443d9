"""Hunts for leaks: learns answers by counting, from less than a task says is needed.

A counting classifier gives each look (what it sees) the answer met most often with it. Tested on the sequences it
has learnt from, it is at least as good as the best rule there is; tested on others, at most. Between the two lies the
floor, if it is right, and both come close to it where looks repeat often.
"""

from dataclasses import dataclass

import numpy as np
import torch

SIGMAS = 4.5  # of a share's standard error: a right program fails one comparison in 150,000, and seeds are fixed


def drawn(task, count, key=0, held_out=True):
    return task.draw(np.random.Generator(np.random.Philox(key=key)), count, held_out)


def judged(task, batch):
    """Return the answers that enter the error, as places among the N outputs."""
    places = batch.notes.get("judged")
    if places is None:  # all of them, or the last
        count = len(next(iter(batch.slices.values()), batch.targets))
        places = torch.arange(len(batch.targets))[-count:]
    return places if batch.headline is None else places[batch.headline]


def looks(inputs, steps, columns, window):
    """Number what the last ``window`` steps of (T, B, ...) inputs look like at (step, column), (M,) each."""
    values = inputs.reshape(*inputs.shape[:2], -1)
    before = np.full((window, *values.shape[1:]), -1, dtype=values.dtype)
    padded = np.concatenate([before, values])
    seen = padded[steps[:, None] + 1 + np.arange(window), columns[:, None]].reshape(len(steps), -1)
    if not seen.shape[1]:
        return np.zeros(len(steps), dtype=np.int64)
    rows = np.ascontiguousarray(seen).view(f"V{seen[0].nbytes}").ravel()
    return np.unique(rows, return_inverse=True)[1]


@dataclass(frozen=True)
class Hunt:
    """What counting came to: errors on what was learnt from and on the rest, and the standard error of either."""

    met: float
    unmet: float
    deviation: float

    def agrees_with(self, floor):
        return self.met - SIGMAS * self.deviation <= floor <= self.unmet + SIGMAS * self.deviation


def counting(look, targets, columns, classes):
    """Learn from one half of the sequences (their columns) and test on both; ties and unknown looks are guesses."""
    learnt = columns % 2 == 0
    table = np.zeros((look.max() + 1, classes))
    np.add.at(table, (look[learnt], targets[learnt]), 1)
    best = table == table.max(1, keepdims=True)  # of an unknown look all classes
    wrong = 1 - best[look, targets] / best.sum(1)[look]
    fallback = np.bincount(targets[learnt], minlength=classes).argmax()
    wrong = np.where(table.sum(1)[look] > 0, wrong, targets != fallback)
    unmet = wrong[~learnt]
    sequences = len(set(columns[~learnt].tolist()))
    deviation = max(np.sqrt(unmet.mean() * (1 - unmet.mean()) / sequences), 1 / sequences)
    return Hunt(float(wrong[learnt].mean()), float(unmet.mean()), float(deviation))


def hunt(task, batch, window, inputs=None):
    """Count answers by the last ``window`` steps, of other inputs than the batch's if given."""
    places = judged(task, batch)
    at = batch.scored[places].numpy()
    steps, columns = np.divmod(at, batch.mask.shape[1])
    shown = batch.inputs.numpy() if inputs is None else inputs
    return counting(looks(shown, steps, columns, window), batch.targets[places].numpy(), columns, task.output_size)


def hunt_ahead(task, batch, window):
    """Count answers by ``window`` steps from the one that answers on."""
    inputs = batch.inputs.numpy()
    beyond = np.full((window - 1, *inputs.shape[1:]), -1, dtype=inputs.dtype)
    return hunt(task, batch, window, np.concatenate([inputs, beyond])[window - 1 :])


def hunt_in_slice(task, batch, name):
    """Count answers by a slice that they fall into."""
    places = judged(task, batch)
    values = batch.slices[name] if batch.headline is None else batch.slices[name][batch.headline]
    look = values.unique(return_inverse=True)[1].numpy()
    columns = batch.scored[places].numpy() % batch.mask.shape[1]
    return counting(look, batch.targets[places].numpy(), columns, task.output_size)


def without_the_far_item(task, batch, all_of_it):
    """Return the inputs with what must be carried hidden: all of it, or the first step only."""
    carried = task.carried(batch)
    hidden = carried if all_of_it else carried & (carried.cumsum(0) == 1)
    shown = batch.inputs.clone()
    shown[hidden] = -2
    return shown.numpy()
