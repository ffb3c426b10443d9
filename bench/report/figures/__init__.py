"""Reports to look at: a file a figure, and what figures share."""
