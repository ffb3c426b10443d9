"""Runs of a study: missing trials are planned, trained and committed as they end."""
