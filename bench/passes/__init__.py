"""What an update does beside its scans, compiled: the loss and its gradient, the clip, the optimiser's step."""
