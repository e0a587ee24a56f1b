"""All that the search needs of ONNX graphs."""

from optkit.quantization.onnx.insert import inserted
from optkit.quantization.onnx.observe import observed
from optkit.quantization.onnx.points import find_sites, operations

__all__ = ["find_sites", "inserted", "observed", "operations"]
