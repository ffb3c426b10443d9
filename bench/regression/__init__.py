"""Regression tracking of learning: whether a change made networks learn worse."""
