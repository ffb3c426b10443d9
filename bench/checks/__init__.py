"""The rules of check-task, check-cell, check-clip, check-optimizer and check-schedule."""
