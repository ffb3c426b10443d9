"""Networks: layers of cells or modules, encoder-decoders, whole networks; each with a readout and its own gradient."""
