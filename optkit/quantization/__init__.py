"""The methods behind quantizing passes: they know graphs and arrays, nothing of artifacts."""
