"""The rules of check-task, check-cell and check-clip."""
