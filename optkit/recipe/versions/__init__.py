"""Recipes of older versions, rewritten: one file for each version that was left behind."""
