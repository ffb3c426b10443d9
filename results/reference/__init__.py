"""Data that comes with the package: the accepted baseline of `ci`, and the outcomes simulated for its self-test."""
