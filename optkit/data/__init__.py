"""Samples: read from what the user gives, or synthesised from a signature."""
