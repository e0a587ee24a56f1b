"""The lock: all that must be equal for the same bytes to come out."""
