"""What lenses share: names, sequences, and the signal on its way back."""
