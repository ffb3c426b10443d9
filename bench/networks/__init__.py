"""Networks: layers of cells, stacked and read out, and whole networks without a cell."""
