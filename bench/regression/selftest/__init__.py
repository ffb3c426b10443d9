"""Changes planted on purpose, and the proof that `longlag check` tells the harmful ones."""
