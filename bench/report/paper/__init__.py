"""Writes a paper's figures, tables and methods from stored studies, in the sizes of its venue."""
