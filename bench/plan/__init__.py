"""What is to be trained: grids, studies and their files."""
