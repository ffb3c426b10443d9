"""Compiled parts of an update other than its scans: the loss and its gradient, the clip, the optimiser's step."""
