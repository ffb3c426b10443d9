"""The tasks: one small file each, with a dial for the distance. Imports nothing from the rest of ``longlag``."""

if __name__ != "longlag.tasks":
    raise ImportError(f"the package in this folder is called longlag.tasks, not {__name__}: install it and import that")
