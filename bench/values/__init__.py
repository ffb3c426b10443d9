"""Small immutable values that every package uses: a trial and its axes, wiring, parameter layout, named randomness."""
