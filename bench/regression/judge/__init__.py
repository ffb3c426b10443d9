"""The verdict on a change: entries, statistical tests, the accepted baseline, exact invariants."""
