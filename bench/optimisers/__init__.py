"""The optimisers: one small file each."""
