"""Stored results as data frames, for scripts and notebooks."""

from longlag.store.results import StudyData, load, load_curves, load_lens, load_study, load_transfer

__all__ = ["StudyData", "load", "load_curves", "load_lens", "load_study", "load_transfer"]
