"""What a run found, as documents for people."""
