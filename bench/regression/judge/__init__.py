"""The verdict on a change: entries, tests, the baseline, invariants."""
