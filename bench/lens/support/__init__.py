"""Code that lenses share: look-up by name, sequences, and the signal of the backward pass."""
