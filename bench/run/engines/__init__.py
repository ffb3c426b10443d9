"""Worker processes: started, supervised, replaced."""
