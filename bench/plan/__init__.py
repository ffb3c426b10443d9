"""Plans of what to train: grids, studies and their files."""
