"""Speed and memory, measured on the user's machine as ratios in one run."""
