"""A trial trained by a loop of its own, for tests only: nothing of longlag's training, networks or clips is used.

What the two share is the interface: the names of random streams, the task's batches, and the network's initial
weights.
"""

import hashlib
import json
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean, median

import numpy as np
import torch
from independent_network import errors_of, gradient_of, loss_of, outputs_of
from independent_rules import counterpart, joint

EVALUATED, CONFIRMED = 40, 80
"""Sequences of an evaluation and of a confirmation, here."""


def generator_of(*names, index=0):
    """Return the generator of a named stream: Philox, its key the names' hash, its counter the draw."""
    key = np.frombuffer(hashlib.sha256(json.dumps(names).encode()).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index]))


@dataclass(frozen=True)
class Update:
    """One update; norms before are NaN where the plain gradient is not looked at."""

    loss: float
    before: float
    after: float
    changed: float
    cosine: float
    weights: dict


@dataclass(frozen=True)
class Evaluated:
    update: int
    loss: float
    error: float
    slices: dict
    train_loss: float | None
    parameter_norm: float


@dataclass
class History:
    """What became of a trial, named as in its result."""

    updates: list[Update] = field(default_factory=list)
    curve: list[Evaluated] = field(default_factory=list)
    status: str = ""
    ended_at: int = 0
    diverged_in: str | None = None
    updates_to_solve: int | None = None
    confirmed_error: float | None = None
    looks: int = 0

    @property
    def largest(self):
        """The largest norm before clipping, and its update, counted from 1."""
        known = [(one.before, -place) for place, one in enumerate(self.updates, start=1) if isfinite(one.before)]
        norm, place = max(known, default=(None, None))
        return norm, None if place is None else -place

    def summary(self):
        norms = [one.before for one in self.updates if isfinite(one.before)]
        known = [one.changed for one in self.updates if isfinite(one.changed)]
        cosines = [one.cosine for one in self.updates if isfinite(one.cosine)]
        return {
            "grad_norm_median": median(norms) if norms else None,
            "grad_norm_max": self.largest[0],
            "grad_norm_max_at": self.largest[1],
            "grad_norm_after_max": max((one.after for one in self.updates if isfinite(one.after)), default=None),
            "clipped_fraction": fmean(known) if known else None,
            "clip_cosine": fmean(cosines) if cosines else None,
        }


class Loop:
    """One trial's training."""

    def __init__(self, trial, task, weights):
        self.trial, self.task, self.weights = trial, task, weights
        parts = trial.clip.split("+")
        made = {part: counterpart("clip", part) for part in parts}
        inside = [one for one in made.values() if isinstance(one, dict)]
        self.clips = [
            made[part] for part in sorted(parts, key=lambda part: part == "guard") if made[part] not in inside
        ]
        self.inside = {"limit": min([one["limit"] for one in inside if "limit" in one], default=None)}
        self.inside |= {"omega": sum(one.get("omega", 0.0) for one in inside), "truncate": trial.truncate}
        self.plain = not any(self.inside.values())
        self.move = counterpart("optimizer", trial.optimizer)(weights, trial.weight_decay)
        self.factor = counterpart("schedule", trial.schedule)
        self.history, self.since = History(), []

    def run(self):
        self._evaluate(0)
        update = 0
        while not self.history.status:
            update += 1
            if not self.history.ended_at:
                self._update(update)
            if update % self.trial.eval_every == 0 or update == self.trial.updates:
                self._evaluate(update)
        return self.history

    def _update(self, update):
        names = ("batches", self.task.spec, self.task.version, self.trial.seed)
        batch = self.task.draw(generator_of(*names, index=update), self.trial.batch_size)
        read = self._with_noise(update)
        loss, gradient = gradient_of(self.trial.cell, read, batch, **self.inside)
        due = update % self.trial.eval_every == 0 or update == self.trial.updates
        plain = gradient if self.plain else gradient_of(self.trial.cell, read, batch)[1] if due else None
        norm, taken = joint(gradient), gradient
        for clip in self.clips:
            taken = None if taken is None else clip(taken, self.weights, norm)
        before = {name: value.clone() for name, value in self.weights.items()}
        if taken is not None:
            self.move(taken, self.trial.lr * self.factor(update, self.trial.updates))
        taken = taken or {name: torch.zeros_like(value) for name, value in gradient.items()}
        self._note(loss, plain, taken)
        moved = joint(self.weights)
        quantities = {"loss": loss, "gradient": joint(taken), "parameters": moved}
        broken = [name for name, value in quantities.items() if not isfinite(value)]
        if broken:
            self.history.ended_at, self.history.diverged_in = update, broken[0]
        elif moved > 100 * joint(before):
            self.history.ended_at = update

    def _with_noise(self, update):
        if not self.trial.weight_noise:
            return self.weights
        generator = generator_of("weight noise", self.trial.cell, self.trial.seed, index=update)
        found, whole = {}, {}
        for name, value in self.weights.items():
            whole.setdefault(name.partition(":")[0], []).append((name, value))
        for parts in whole.values():  # drawn for a tensor as it is stored, its gates side by side
            shape = torch.cat([value for _, value in parts], -1).shape
            noise = torch.from_numpy(generator.standard_normal(tuple(shape)) * self.trial.weight_noise)
            for (name, value), own in zip(parts, noise.split(shape[-1] // len(parts), -1), strict=True):
                found[name] = value + own
        return found

    def _note(self, loss, plain, taken):
        before, after = (torch.nan if of is None else joint(of) for of in (plain, taken))
        cosine = changed = torch.nan
        if plain is not None:
            product = sum((plain[name] * taken[name]).sum().item() for name in plain)
            cosine = max(-1.0, min(1.0, product / (before * after))) if before * after else torch.nan
            changed = float(any((plain[name] != taken[name]).any() for name in plain))
        weights = {name: value.clone() for name, value in self.weights.items()}
        self.since.append(Update(loss, before, after, changed, cosine, weights))
        self.history.updates.append(self.since[-1])

    def _evaluate(self, update):
        history, trial = self.history, self.trial
        if history.diverged_in:
            history.status = "diverged"
            return
        loss, error, slices = self._test("evaluation", 0, EVALUATED)
        train_loss = fmean(one.loss for one in self.since) if self.since else None
        at = history.ended_at or update
        if not (isfinite(loss) and isfinite(error)):
            history.status, history.diverged_in, history.ended_at = "diverged", "loss", at
            return
        history.curve.append(Evaluated(at, loss, error, slices, train_loss, joint(self.weights)))
        self.since = []
        below = [one.error < self.task.solved_below for one in history.curve[-2:]]
        high = [one.loss > 10 * history.curve[0].loss for one in history.curve[-3:]]
        if history.ended_at or high == [True] * 3:
            history.status, history.ended_at = "exploded", at
        elif history.updates_to_solve is None and below == [True] * 2:
            history.looks += 1
            confirmed = self._test("confirmation", history.looks, CONFIRMED)[1]
            if confirmed < self.task.solved_below:
                history.updates_to_solve, history.confirmed_error = history.curve[-2].update, confirmed
                history.status = "solved" if trial.stop == "solved" else ""
        if not history.status and update == trial.updates:
            history.status = "unsolved"
        if history.status:
            history.ended_at = history.ended_at or update
            history.status = "solved" if history.updates_to_solve is not None else history.status

    def _test(self, stream, index, total):
        losses, errors, slices = [], [], {}
        for start in range(0, total, EVALUATED):
            generator = generator_of(stream, self.task.spec, self.task.version, start, index=index)
            batch = self.task.draw(generator, min(EVALUATED, total - start), held_out=True)
            with torch.no_grad():
                outputs = outputs_of(self.trial.cell, self.weights, batch)
            losses.append(loss_of(outputs, batch).item())  # chunks have as many answers, in the tasks of these tests
            errors += errors_of(outputs, batch).tolist()
            for name, values in batch.slices.items():
                slices.setdefault(name, []).extend(values.tolist())
        by_slice = {}
        for name, values in slices.items():
            for label in sorted(set(values)):
                own = [error for error, value in zip(errors, values, strict=True) if value == label]
                if len(own) >= 10:
                    by_slice.setdefault(name, {})[str(label)] = fmean(own)
        return fmean(losses), fmean(errors), by_slice


def train_alone(trial, task, weights):
    """Train a trial from its initial weights, a tensor a gate; they are changed in place."""
    return Loop(trial, task, weights).run()
