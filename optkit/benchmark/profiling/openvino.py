"""What OpenVINO's nodes cost, as it counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.benchmark.profiling import Operation, Probe
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings
from optkit.formats import ir
from optkit.graphs.ir_graph import node_flops
from optkit.runtimes.openvino import open_counting
from optkit.runtimes.openvino.reading import computes_in

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Shape = tuple[int, ...]

_BITS = {"boolean": 8, "bf16": 16, "i4": 4, "u4": 4, "nf4": 4, "bin": 1, "f8e4m3": 8, "f8e5m2": 8}
# One operand is a table, of which no more is read than is given.
_TABLES = frozenset({"Gather", "GatherElements", "GatherND", "Embedding"})


@dataclass(frozen=True)
class _Counts:
    """Inferences so far, and each node's microseconds of all of them."""

    inferences: int
    us: Mapping[str, float]


def probe(artifact: Artifact, settings: Settings, arrays: Arrays) -> Probe:
    """The IR compiled so that it counts.

    Args:
        artifact: the IR.
        settings: how it runs.
        arrays: the inputs that it is going to get; FLOPs are those of their shapes.

    Raises:
        OptkitError: as `open_session`.
    """
    infer, model, request = open_counting(artifact, settings)
    done, before = 0, _Counts(0, {})

    def counted(given: Arrays) -> object:
        nonlocal done
        done += 1
        return infer(given)

    def start() -> None:
        nonlocal before
        before = _counts(request, done)

    def stop() -> list[Operation]:
        now = _counts(request, done)
        inferences = max(1, now.inferences - before.inferences)
        ms = {
            name: max(0.0, us - before.us.get(name, 0.0)) / inferences / 1e3
            for name, us in now.us.items()
        }
        return _operations(artifact, model, arrays, ms)

    return Probe(counted, start, stop)


def _counts(request: Any, inferences: int) -> _Counts:
    """What is counted is the mean since the model was compiled, to the microsecond."""
    totals: dict[str, float] = {}
    for info in request.get_profiling_info():
        us = info.real_time.total_seconds() * 1e6 * inferences
        if info.status == info.Status.EXECUTED:
            totals[info.node_name] = totals.get(info.node_name, 0.0) + us
    return _Counts(inferences, totals)


def _operations(
    artifact: Artifact, model: Any, arrays: Arrays, ms: Mapping[str, float]
) -> list[Operation]:
    network = _shaped(artifact, arrays)
    shapes = _shapes(network)
    nodes = {
        node.get_friendly_name(): node
        for node in model.get_runtime_model().get_ops()
        if ms.get(node.get_friendly_name()) or _product(node, shapes)  # may take no microsecond
    }
    flops = _flops(network, nodes, shapes, ms)
    return [
        Operation(
            name,
            _told(node, "layerType"),
            _precision(node),
            _told(node, "primitiveType"),
            ms.get(name, 0.0),
            flops[name],
            _bytes(node, shapes),
        )
        for name, node in nodes.items()
    ]


def _shaped(artifact: Artifact, arrays: Arrays) -> Any:
    """The network as it is in the file, for inputs of these shapes."""
    network = ir.load(artifact)
    names = [spec.name for spec in artifact.signature.inputs]
    index_of = {name: at for at, port in enumerate(network.inputs) for name in port.get_names()}
    network.reshape({
        network.inputs[index_of.get(name, at)]: list(arrays[name].shape)
        for at, name in enumerate(names)
    })
    return network


def _flops(
    network: Any, nodes: Mapping[str, Any], shapes: Mapping[str, Shape], ms: Mapping[str, float]
) -> dict[str, int]:
    """FLOPs by node: its own product's, or those of the file's operations that it is made of.

    Not all of these are told: a quantized product goes by the name of what scales its result.
    Each of them counts once, with products before others, and with the longest before the rest.
    """
    found = {name: _product(node, shapes) for name, node in nodes.items()}
    left = node_flops(network)
    for name in sorted(nodes, key=lambda name: (not found[name], -ms.get(name, 0.0))):
        originals = _told(nodes[name], "originalLayersNames").split(",")
        found[name] = max(found[name], sum(left.pop(original, 0) for original in originals))
    return found


def _product(node: Any, shapes: Mapping[str, Shape]) -> int:
    """FLOPs of a convolution or matrix product by the shapes in the compiled graph; else 0."""
    kind = _told(node, "layerType")
    if kind not in {"Convolution", "Deconvolution", "FullyConnected", "MatMul"}:
        return 0
    try:
        first, second = (_sizes(port, shapes) for port in node.input_values()[:2])
        given = _sizes(node.output(0), shapes)
    except LookupError:
        return 0
    if kind == "FullyConnected":
        return 2 * math.prod(given) * first[-1]
    if kind == "MatMul":  # either operand may be transposed
        rows = given[-2] if len(given) > 1 and len(first) > 1 else 1
        return 2 * math.prod(given) * (math.prod(first[-2:]) // rows)
    over = first if kind == "Deconvolution" else given  # each is multiplied by a channel's weights
    return 2 * math.prod(over) * math.prod(second) // over[1]


def _shapes(network: Any) -> dict[str, Shape]:
    """Shapes by the name of the node, of those with one output."""
    return {
        node.get_friendly_name(): tuple(map(int, node.get_output_shape(0)))
        for node in network.get_ops()
        if node.get_output_size() == 1 and not node.get_output_partial_shape(0).is_dynamic
    }


def _bytes(node: Any, shapes: Mapping[str, Shape]) -> int | None:
    try:
        read = [_size(port, shapes) for port in node.input_values()]
        written = sum(_size(port, shapes) for port in node.outputs())
    except LookupError:
        return None
    if _told(node, "layerType") in _TABLES and read:
        read[0] = min(read[0], written)
    return sum(read) + written


def _size(port: Any, shapes: Mapping[str, Shape]) -> int:
    """Bytes of what one node hands to another.

    Raises:
        LookupError: its shape is not known.
    """
    node = port.get_node()
    kinds = _told(node, "outputPrecisions").split(",")
    kind = kinds[min(port.get_index(), len(kinds) - 1)]
    if kind == "dynamic":  # stands for an operand that is left out
        return 0
    digits = "".join(letter for letter in kind if letter.isdigit())
    return math.prod(_sizes(port, shapes)) * _BITS.get(kind, int(digits or 32)) // 8


def _sizes(port: Any, shapes: Mapping[str, Shape]) -> Shape:
    """The shape of what one node hands to another.

    Raises:
        LookupError: it is not known.
    """
    partial = port.get_partial_shape()
    sizes = () if partial.rank.is_dynamic else tuple(dim.get_max_length() for dim in partial)
    if partial.rank.is_dynamic or partial.is_dynamic or 0 in sizes:
        return _looked_up(port.get_node(), sizes, shapes)
    return sizes


def _looked_up(node: Any, sizes: Shape, shapes: Mapping[str, Shape]) -> Shape:
    """A shape that the compiled graph leaves open, from the last of the operations behind it."""
    for original in reversed(_told(node, "originalLayersNames").split(",")):
        known = shapes.get(original, ())
        if len(known) == len(sizes) and all(
            size in {0, -1, own} for size, own in zip(sizes, known, strict=True)
        ):
            return known
    raise LookupError(node.get_friendly_name())


def _precision(node: Any) -> str:
    word = computes_in(_told(node, "primitiveType"))
    if word not in {"fp32", "fp16", "bf16", "int8"}:  # such as `undef`
        word = computes_in(_told(node, "runtimePrecision"))
    return word


def _told(node: Any, key: str) -> str:
    facts = node.get_rt_info()
    return str(facts[key].astype(str)) if key in facts else ""
