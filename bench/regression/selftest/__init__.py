"""The proof that a verdict finds what it should: faults planted, and outcomes simulated under them."""
