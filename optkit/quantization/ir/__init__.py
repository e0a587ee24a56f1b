"""INT8 in OpenVINO graphs: where to quantize, what to observe, how to insert."""
