"""``python -m longlag`` is the command ``longlag``."""

from longlag.cli import main

main()
