"""The clipping settings, one file each: how a gradient is changed between the backward pass and the update."""
