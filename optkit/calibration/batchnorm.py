"""Moments of activations without data, from the BatchNorm of a run's source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact

if TYPE_CHECKING:
    from optkit.quantization.moments import Moments


def derived_moments(
    model: Any, source: Artifact, graph_format: str, most: int | None = None
) -> tuple[dict[str, Moments], int]:
    """Moments of activations that the source's BatchNorm tells, and of how many layers.

    Args:
        model: the live graph that is to be quantized.
        source: the run's source, whose BatchNorm nothing has fused yet.
        graph_format: of the graph, `ir` or `onnx`.
        most: the number of layers to look at; None for all.
    """
    from io import BytesIO

    import openvino

    from optkit.formats import exported, module, onnx, torchscript
    from optkit.quantization.batchnorm_moments import derive
    from optkit.quantization.batchnorms import from_onnx, from_state
    from optkit.quantization.ir.points import key_of

    torch_formats: dict[str, Any] = {
        "torchscript": torchscript, "exported": exported, "module": module,
    }  # fmt: skip
    if source.format == "onnx":
        norms = from_onnx(onnx.load(source))
    elif source.format in torch_formats:
        state = torch_formats[source.format].load(source).state_dict
        norms = from_state(state if isinstance(state, dict) else state())
    else:
        return {}, 0
    if not norms.norms:
        return {}, 0
    if graph_format == "ir":
        return derive(model, norms, lambda port: [key_of(port)], most)
    network = openvino.convert_model(BytesIO(model.SerializeToString()))
    return derive(network, norms, lambda port: port.get_names(), most)
