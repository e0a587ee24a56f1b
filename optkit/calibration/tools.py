"""The functions that quantizing is handed, for each format that it can quantize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optkit.quantization.tools import Tools


def tools_for(format_name: str) -> Tools:
    """What handles the graphs of `ir` or `onnx`, and runs them."""
    from optkit.quantization.tools import Tools

    graph: Any
    runtime: Any
    if format_name == "ir":
        from optkit.quantization.ir import graph
        from optkit.runtimes.openvino import live as runtime
    else:
        from optkit.quantization.onnx import graph
        from optkit.runtimes.onnxruntime import live as runtime
    return Tools(graph.operations, graph.find_sites, graph.observed, graph.inserted, runtime.stream)
