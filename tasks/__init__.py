"""The tasks: one small file each, with a dial for the distance. Knows nothing of ``bench``."""
