"""Timing models side by side."""
