"""What OpenVINO says of a compiled model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from optkit.graphs.ir_core import shared_core

_WEIGHTED = frozenset({
    "Convolution", "Deconvolution", "FullyConnected", "DeformableConvolution",
    "RNNCell", "RNNSeq", "LSTMCell", "LSTMSequence", "GRUCell", "GRUSequence",
})  # fmt: skip
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}
WORDS = {
    "PERFORMANCE_HINT": "hint",
    "NUM_STREAMS": "streams",
    "INFERENCE_NUM_THREADS": "threads",
    "ENABLE_CPU_PINNING": "pin",
    "INFERENCE_PRECISION_HINT": "infer_precision",
}
"""Properties of OpenVINO, and the settings that they are."""

MANY = ("AUTO", "MULTI", "HETERO", "BATCH")
"""Words for several devices, followed by their names."""

_NO_WORK = frozenset({"Constant", "Parameter", "Result"})


def executed(compiled: Any) -> dict[str, int]:
    """Operations of the compiled graph that carry weights, by the precision they run in."""
    counts: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kind = info["layerType"].astype(str)
        if kind in _WEIGHTED or (kind == "MatMul" and _has_constant(node)):
            counts[computes_in(info["primitiveType"].astype(str))] += 1
    return dict(counts)


def computes_in(kernel: str) -> str:
    """The precision in which a kernel computes: its name ends in it.

    A node's `runtimePrecision`, where weights are compressed, is that of the weights.
    """
    precision = kernel.rpartition("_")[2].lower()
    return _PRECISIONS.get(precision, precision)


def _has_constant(node: Any) -> bool:
    sources = [value.get_node() for value in node.input_values()]
    return any(source.get_rt_info()["layerType"].astype(str) == "Const" for source in sources)


def in_use(compiled: Any, device: str) -> dict[str, Any]:
    """The settings in use; under `devices` by device, where more than one runs the model."""
    if device.partition(":")[0] not in MANY:
        own = {str(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")}
        return _words({name: compiled.get_property(name) for name in WORDS if name in own})
    used: dict[str, Any] = {"execution_devices": list(compiled.get_property("EXECUTION_DEVICES"))}
    behind = compiled.get_property("DEVICE_PROPERTIES")
    by_device = {name: _words(found) for name, found in behind.items()}
    if len(by_device) == 1:
        return used | next(iter(by_device.values()))
    return used | {"devices": by_device}


def _words(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {word: _plain(properties[name]) for name, word in WORDS.items() if name in properties}


def _plain(value: Any) -> Any:
    """A value as JSON holds it, in the words of the settings."""
    if isinstance(value, bool):
        return value
    if hasattr(value, "to_string"):  # a type
        return value.to_string()
    text = str(value).rpartition(".")[2]
    return int(text) if text.lstrip("-").isdigit() else text.lower()


def placement(network: Any, device: str) -> dict[str, Any]:
    """For a model that is cut up over devices: how many operations run on each."""
    if not device.startswith("HETERO:"):
        return {}
    homes = shared_core().query_model(network, device)
    working = [
        op.get_friendly_name() for op in network.get_ops() if op.get_type_name() not in _NO_WORK
    ]
    counts = Counter(homes[name] for name in working if name in homes)
    return {"placement": dict(counts)}
