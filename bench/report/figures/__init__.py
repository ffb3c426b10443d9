"""Figures: one file for each, and the code that they share."""
