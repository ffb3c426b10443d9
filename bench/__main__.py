"""``python -m bench`` is the command ``longlag``."""

from bench.cli import main

main()
