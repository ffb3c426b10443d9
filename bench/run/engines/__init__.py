"""Starts, supervises and replaces worker processes."""
