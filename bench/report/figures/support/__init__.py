"""Code that several figures share: the layout of frames, the labels of lines, and looks."""
