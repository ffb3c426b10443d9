"""Code that lenses share: names, sequences, and the signal in the backward pass."""
