"""The store of results: writing it, and reading it as data frames."""
