"""Measures speed and memory on the user's machine, as ratios within one run."""
