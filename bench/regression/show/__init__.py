"""How a verdict is shown: as text, as other formats, as a figure, over time."""
