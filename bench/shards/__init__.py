"""Finished trials as lines of files, written by many processes or machines, and how they come together again."""
