"""Files to begin a task, a cell or a clip with; `longlag new` copies them under another name."""
