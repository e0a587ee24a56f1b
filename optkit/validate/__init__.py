"""Checking a result against its source: parity, task metrics."""
