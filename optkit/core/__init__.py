"""What every floor shares: artifacts, the pass contract, errors, the store."""
