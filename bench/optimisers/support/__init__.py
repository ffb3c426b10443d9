"""Code that optimisers share."""
