"""The cells: one file each, the equations of one time step."""
