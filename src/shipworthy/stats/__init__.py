"""Pure statistics on NumPy arrays and counts. Nothing here reads a file, a clock or a global random state."""
