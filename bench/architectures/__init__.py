"""Whole networks that have no cell, one a file; the directory is the list."""
