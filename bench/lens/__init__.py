"""Lenses, which measure inside networks why one forgets. One lens a file; the directory is the list."""
