"""Reports: pure functions from data frames to files; never imports torch."""
