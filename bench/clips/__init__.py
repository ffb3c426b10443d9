"""The clipping settings: one file each, what happens to a gradient between the backward pass and the update."""
