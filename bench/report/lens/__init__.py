"""Reports of lenses: numbers, sentences, tables and figures, from stored frames alone."""
