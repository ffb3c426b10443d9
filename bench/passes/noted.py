"""What is noted of a trial's gradient at each update: both norms, the cosine, and whether clipping changed anything."""

BEFORE, AFTER, COSINE, CHANGED = range(4)
"""The places of the norm before clipping, the norm after, the cosine between the two gradients, and 1 where they
differ, else 0."""
NUMBERS = 4
