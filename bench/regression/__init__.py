"""Regression tracking: whether a change made networks learn worse, with a verdict that can be trusted."""
