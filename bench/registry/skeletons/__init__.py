"""Templates of plugins of every kind; `longlag new` copies them under another name."""
