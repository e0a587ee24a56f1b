"""What ONNX Runtime's nodes cost, as it traces them."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.benchmark.profiling import Operation, Probe
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings
from optkit.graphs.onnx_executed import node_precisions
from optkit.graphs.onnx_graph import node_flops
from optkit.runtimes.onnxruntime import open_traced

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

_WORDS = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "double": "fp64",
          "int8": "int8", "uint8": "int8"}  # fmt: skip
_BYTES = {"float": 4, "float16": 2, "bfloat16": 2, "double": 8, "bool": 1, "int4": 0.5,
          "uint4": 0.5, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
          "int64": 8, "uint64": 8}  # fmt: skip
# One operand is a table, of which no more is read than is given.
_TABLES = frozenset({"Gather", "GatherElements", "GatherND", "GatherBlockQuantized"})
_SUFFIX = "_kernel_time"

Event = Mapping[str, Any]


def probe(artifact: Artifact, settings: Settings, arrays: Arrays) -> Probe:  # noqa: ARG001
    """The model loaded so that it is traced; the trace tells the shapes, `arrays` is not read.

    Raises:
        OptkitError: as `open_session`.
    """
    folder = tempfile.TemporaryDirectory(prefix="optkit-trace-")
    infer, end = open_traced(artifact, settings, Path(folder.name))
    done, warmed = 0, 0

    def counted(given: Arrays) -> object:
        nonlocal done
        done += 1
        return infer(given)

    def start() -> None:
        nonlocal warmed
        warmed = done

    def stop() -> list[Operation]:
        import onnx

        events = json.loads(end().read_text())
        path = Path(folder.name) / "optimized.onnx"
        graph = onnx.load(path, load_external_data=False).graph
        return _operations(list(_nodes(events, warmed)), graph, max(1, done - warmed))

    return Probe(counted, start, stop, folder.cleanup)


def _nodes(events: Sequence[Event], skip: int) -> Iterator[Event]:
    """The nodes of the inferences after the first few, without those inside of other nodes."""
    runs = sorted(event["ts"] for event in events if event["name"] == "model_run")
    first = runs[skip] if skip < len(runs) else math.inf
    end = -math.inf
    kernels = (event for event in events if event["name"].endswith(_SUFFIX))
    for event in sorted(kernels, key=lambda event: (event["ts"], -event["dur"])):
        if event["ts"] < first:
            continue
        if event["ts"] + event["dur"] > end or event["ts"] >= end:
            yield event
            end = max(end, event["ts"] + event["dur"])


def _operations(events: Sequence[Event], graph: Any, inferences: int) -> list[Operation]:
    spent: dict[str, float] = {}
    last: dict[str, Event] = {}
    for event in events:
        name = event["name"].removesuffix(_SUFFIX)
        spent[name] = spent.get(name, 0.0) + event["dur"] / 1e3 / inferences
        last[name] = event
    by_name = {node.name: node for node in graph.node}
    flops = node_flops(graph, _shapes(by_name, last))
    precisions = node_precisions(graph)
    return [
        Operation(
            name,
            event["args"]["op_name"],
            precisions.get(name) or _handled(event),
            _kernel(event, by_name.get(name)),
            spent[name],
            flops.get(name, 0),
            _bytes(event),
        )
        for name, event in last.items()
        if spent[name]
    ]


def _shapes(nodes: Mapping[str, Any], events: Mapping[str, Event]) -> dict[str, tuple[int, ...]]:
    """Shapes of values as they were."""
    found: dict[str, tuple[int, ...]] = {}
    for name, event in events.items():
        if (node := nodes.get(name)) is None:
            continue
        for values, key in ((node.input, "input_type_shape"), (node.output, "output_type_shape")):
            given = [value for value in values if value]
            tensors = _tensors(event, key)
            if len(given) == len(tensors):
                found |= {value: shape for value, (_, shape) in zip(given, tensors, strict=True)}
    return found


def _tensors(event: Event, key: str) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (kind, tuple(shape)) for one in event["args"].get(key, ()) for kind, shape in one.items()
    ]


def _handled(event: Event) -> str:
    """The dtype of what a node without weights gives, or takes where it is a quantizer."""
    kinds = [kind for kind, _ in (*_tensors(event, "output_type_shape"),
                                  *_tensors(event, "input_type_shape"))]  # fmt: skip
    return _WORDS.get(kinds[0], kinds[0]) if kinds else ""


def _kernel(event: Event, node: Any) -> str:
    """The provider, and the domain of an operation that is not ONNX's own."""
    provider = str(event["args"].get("provider", "")).removesuffix("ExecutionProvider")
    domain = node.domain.rpartition(".")[2] if node is not None else ""
    return f"{provider} {domain}".strip()


def _bytes(event: Event) -> int | None:
    sizes = [
        [_BYTES.get(kind, math.nan) * math.prod(shape) for kind, shape in _tensors(event, key)]
        for key in ("input_type_shape", "output_type_shape")
    ]
    read, written = sizes
    if event["args"]["op_name"] in _TABLES and read:
        read[0] = min(read[0], sum(written))
    total = sum(read) + sum(written)
    return None if math.isnan(total) else int(total)
