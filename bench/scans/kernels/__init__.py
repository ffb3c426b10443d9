"""The fused kernels: one small file a cell, called like the cell's."""
