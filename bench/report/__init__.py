"""Reports: pure functions from data frames to files, which never import torch."""
