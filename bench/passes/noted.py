"""The columns of the ledger's notes on a trial's gradient at each update."""

BEFORE, AFTER, COSINE, CHANGED = range(4)
"""The places of four numbers: the norm before clipping, the norm after, the cosine between the two gradients, and 1 if
they differ, else 0."""
NUMBERS = 4
