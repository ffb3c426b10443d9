"""Shards: finished trials as lines of files, written by many processes or machines, and merged into a store."""
