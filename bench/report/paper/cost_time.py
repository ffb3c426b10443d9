"""Draws the solved share against the milliseconds of an update; only on request, as they differ from run to run."""

import pandas as pd

from longlag.report.figures import cost
from longlag.report.figures.cost import PANELS, draw, handles
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
_COSTS = {"update_ms": "update (ms)"}


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting, as `cost.numbers` does, with the median time of an update over its trials.

    Trials were timed in cohorts, while the machine may have done other work, too.
    """
    rates = pd.to_numeric(study.trials.reindex(columns=["updates_per_second"])["updates_per_second"]).astype(float)
    return cost.against(study.trials.assign(update_ms=1000 / rates), list(cost.shares(study)), _COSTS)


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"{cost.how_to_read(frame)} Times are medians over trials that trained together, and hold for the machine that "
        "they trained on."
    )
