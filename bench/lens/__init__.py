"""Lenses, which measure inside networks why they forget. One lens per file; the directory is the list."""
