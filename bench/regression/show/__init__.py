"""Formats of a verdict: text, JUnit XML and JSON, a figure, and its history."""
