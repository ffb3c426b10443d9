"""Cosine annealing."""

from dataclasses import dataclass
from math import cos, pi

from longlag.schedules.base import Schedule
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to ``final`` of it (Loshchilov & Hutter 2017, without restarts)."""

    final: float = option(0.0, "share of the rate at the end", low=0, high=1)

    def factor(self, update: int, budget: int) -> float:
        return self.final + (1 - self.final) * (1 + cos(pi * (update - 1) / budget)) / 2
