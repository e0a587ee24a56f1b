"""ONNX graphs read into the networks that are cut."""
