"""Statistics for outcomes with two peaks, solved or stuck at the floor: pure functions of plain numbers."""
