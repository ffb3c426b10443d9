"""The learning-rate schedules: one small file each."""
