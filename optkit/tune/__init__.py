"""Searches what can be made of a model, and how it can be run, for what serves best."""
