"""INT8 in ONNX graphs (QDQ): where to quantize, what to observe, how to insert."""
