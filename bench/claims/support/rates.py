"""The rates that a claim's search has found."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from longlag.experiments import tuning
from longlag.plan.rates import Basis
from longlag.plan.specs import shortest_spec

STAND_IN = 0.01
"""The rate of a plan, before any was found."""


@dataclass(frozen=True, eq=False)
class Rates:
    """The best rate of each setting; or, in a plan, stand-ins.

    Attributes:
        trials: The trials of the search, as of `longlag.store.results.load`; None in a plan.
    """

    trials: pd.DataFrame | None = None

    def best(self, **setting: str) -> tuple[float, Basis]:
        """Return the best rate of a setting and what it rests on.

        Args:
            **setting: Specs by ``task``, ``cell``, ``clip``, ``optimizer``; where one is left out it does not vary.
        """
        found = self._chosen
        if found is None:
            return STAND_IN, Basis.GIVEN
        for axis, spec in setting.items():
            found = found[found[axis] == shortest_spec(axis, spec)]
        (row,) = found.to_dict("records")
        return float(str(row["lr"])), Basis(row["basis"])

    @cached_property
    def _chosen(self) -> pd.DataFrame | None:
        return None if self.trials is None else tuning.choose(self.trials)
