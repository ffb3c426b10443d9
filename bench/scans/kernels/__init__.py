"""The fused kernels: one small file for each cell, with the name of the cell's file."""
