"""All that the search needs of OpenVINO graphs."""

from optkit.quantization.ir.insert import inserted
from optkit.quantization.ir.names import operations
from optkit.quantization.ir.observe import observed
from optkit.quantization.ir.points import find_sites

__all__ = ["find_sites", "inserted", "observed", "operations"]
