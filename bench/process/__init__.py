"""What concerns the whole process: its global state, guards around code of others, its source and machine."""
