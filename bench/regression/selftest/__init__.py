"""Changes planted on purpose, and a measurement of how often `longlag check` detects the harmful ones."""
