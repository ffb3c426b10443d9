"""Networks: layers of cells or modules, stacked and read out, and whole networks; each computes its own gradient."""
