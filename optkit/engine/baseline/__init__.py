"""A baseline: what a model's artifacts once measured, committed beside the recipe."""
