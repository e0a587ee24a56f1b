"""The methods behind the graph passes: they know ONNX graphs, nothing of artifacts or recipes."""
