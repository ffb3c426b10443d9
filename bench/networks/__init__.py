"""Networks: layers of cells, encoder-decoders, and whole networks without a cell, each with a readout."""
