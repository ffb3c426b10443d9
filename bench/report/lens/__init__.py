"""What lenses found: numbers, sentences, tables and figures, from frames alone."""
