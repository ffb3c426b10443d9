"""The values that everything shares: a trial, how a network is wired, how parameters lie, what a backward pass does."""
