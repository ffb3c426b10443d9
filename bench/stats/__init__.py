"""Statistics of solved counts and errors: pure functions of plain numbers."""
