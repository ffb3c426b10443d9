"""The bound of Pascanu, Mikolov & Bengio 2013, beside the signal that it bounds.

    s(k) = |dy/dh_(T-k)| / |dy/dh_T| <= (g s_max)^k

for a plain network (`longlag.lens.support.theorem`), computed in float64, from the answer at the last scored step.
It uses the largest singular value, not an eigenvalue: in a matrix that is not normal the former is larger, and a signal
may grow for some steps although every eigenvalue is below 1.
"""

from typing import ClassVar

import numpy as np

from longlag.lens.base import Lens, Subject
from longlag.lens.support.lags import at_zero, joined, relative, thinned
from longlag.lens.support.sequences import in_double
from longlag.lens.support.signals import STATE, norms_of
from longlag.lens.support.theorem import fading, no_bound
from longlag.values.frames import Found, Number, rounded


class Bound(Lens):
    """The signal by the state beside (g s_max)^k."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "(g s_max)^k beside the signal by the state: plain networks of one layer"
    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 2"

    def refusal(self, subject: Subject) -> str:
        """Return why the theorem does not hold; empty where it does."""
        return no_bound(subject)

    def frame(self, subject: Subject) -> Found:
        """Return the bound, the largest and the median s by lag, and the largest relative excess over the bound."""
        exact = in_double(subject)
        slope, largest = fading(exact)
        signal = joined([(norms_of(exact, batch), STATE) for batch in exact.batches])
        held = relative(signal, at_zero(signal))
        past = held.lags >= 0
        lags, values = held.lags[past], held.values[past]
        bound = (slope * largest) ** lags
        highest = np.nanmax(values, axis=1, initial=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(bound > 0, highest / bound - 1, np.where(highest > 0, np.inf, 0.0))
        kept = thinned(lags)
        columns = {
            "bound": bound,
            "largest": highest,
            "median": np.nanmedian(values, axis=1) if values.size else np.zeros(len(lags)),
        }
        exceeded = rounded(float(excess.max(initial=-1.0)))
        numbers: dict[str, Number] = {"steepest": slope, "s_max": rounded(largest), "excess": exceeded}
        by_lag = {name: [rounded(value) for value in column[kept].tolist()] for name, column in columns.items()}
        return Found(numbers, {STATE: {"lag": lags[kept].tolist()} | by_lag})
