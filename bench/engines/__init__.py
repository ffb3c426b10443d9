"""Where cohorts compute."""
