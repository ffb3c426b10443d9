"""Loads what a study stored, as data frames; never imports torch."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class StudyData:
    """Everything a report needs to know of a study, as the last run planned it.

    Attributes:
        name: The study's name.
        title: One line on what it is about.
        plan: One row a planned trial, stored or not: ``key``, every field of `Trial`, and what follows from it
            (``lag, min_lag, baseline_error, solved_below, error_name``, ``task.<option>``, ``cell.<option>``).
        trials: One row a stored trial of the plan, sorted by key: the columns of ``plan`` and of `TrialResult`.
        curves: One row an evaluation: ``key`` and the fields of `Measurement` but ``slices``.
        slices: The error by slice at each evaluation: ``key, update, slice, value, error``.
        examples: What tasks' examples gave: ``key, name, value``.
        outside: Stored trials that the plan does not hold; never mixed in.
        sources: Hashes of the source code that made the stored trials; more than one means mixed source.
    """

    name: str
    title: str
    plan: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    slices: pd.DataFrame
    examples: pd.DataFrame
    outside: int
    sources: tuple[str, ...]
