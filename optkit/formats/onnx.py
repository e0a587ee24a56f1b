"""ONNX: a ModelProto, with large tensors in files beside it where they do not fit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Summary
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import DTYPES, Dim, Signature, TensorSpec
from optkit.graphs import onnx_graph as graphs
from optkit.graphs.onnx_rewritable import refuse_newer, rewritable, take_in_small
from optkit.graphs.onnx_wire import is_model
from optkit.graphs.reading import implied_specs, unreadable

if TYPE_CHECKING:
    import onnx
    import onnx_ir

FILE = "model.onnx"
NEEDS = ("onnx",)

INLINE_LIMIT = 1_500_000_000
"""Bytes of tensors above which they go into a file of their own; protobuf ends at 2 GiB."""


def recognise(path: Path) -> bool:
    """Whether the file's top-level protobuf fields are a ModelProto's."""
    return path.is_file() and is_model(path)


def files(path: Path) -> tuple[Path, ...]:
    """The model and its external data.

    Raises:
        OptkitError: external data is missing, too short or outside the model's folder (bad input).
    """
    found: dict[Path, None] = {path: None}
    for tensor in graphs.tensors(_read(path).graph):
        if tensor.data_location == tensor.EXTERNAL:
            found[_external(path, tensor)] = None
    return tuple(found)


def load(artifact: Artifact) -> onnx.ModelProto:
    """The model with its external data.

    Raises:
        OptkitError: the file or its external data cannot be read (bad input).
    """
    import onnx

    files(artifact.path)
    try:
        return onnx.load(artifact.path)
    except Exception as error:
        raise unreadable(artifact.path, "ONNX", error) from error


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, checked; equal models give equal bytes.

    Tensors above `INLINE_LIMIT` together go to `<name>.data` beside it, and `model` itself then
    refers to that file.

    Raises:
        OptkitError: the model is not valid ONNX.
    """
    import onnx

    data = path.with_name(path.name + ".data")
    data.unlink(missing_ok=True)
    held = sum(len(tensor.raw_data) for tensor in graphs.tensors(model.graph))
    if held > INLINE_LIMIT:
        onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=1024)
    else:
        onnx.save(model, path)
    _check(path)


def _check(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise OptkitError(
            f"the ONNX model made as '{path.name}' is not valid: {root_cause(error)}",
            "try another route, such as --to ir",
        ) from error


def read_graph(artifact: Artifact) -> onnx_ir.Model:
    """The model as rewritings take it: functions inlined, shapes inferred, opset 13 or newer.

    Weights above `INLINE_LIMIT` together stay in their files, and are read where they are asked
    for.

    Raises:
        OptkitError: the model is not valid ONNX, or its operators are too old or too new to be
            read aright (bad input).
    """
    import onnx
    import onnx_ir

    path = artifact.path
    large = sum(file.stat().st_size for file in files(path)) > INLINE_LIMIT
    model = _read(path) if large else load(artifact)
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise bad_input(
            f"'{path.name}' is not valid ONNX: {root_cause(error)}", "export the model again"
        ) from error
    if large:
        take_in_small(model, str(path.parent))
    model = rewritable(model, path.name)
    # On the proto: the pass of onnx_ir takes a sequence that it had no type of for a tensor.
    graph = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model, data_prop=True))
    onnx_ir.external_data.set_base_dir(graph.graph, path.parent)
    return graph


def tidy_graph(graph: onnx_ir.Model) -> onnx_ir.Model:
    """Sort, drop what nobody reads any more, and tell the shapes of new values."""
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(graph)
    common.TopologicalSortPass()(graph)
    kinds = {node.op_type for node in graph.graph.all_nodes()}
    if not any("Sequence" in kind or "Optional" in kind for kind in kinds):
        common.ShapeInferencePass(strict_mode=False)(graph)  # would take some of these for tensors
    return graph


def write_graph(graph: onnx_ir.Model, path: Path) -> None:
    """Sort, drop what nobody reads any more, and save.

    Raises:
        OptkitError: the model is not valid ONNX.
    """
    import onnx
    import onnx_ir
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(graph)
    common.TopologicalSortPass()(graph)
    held = [value.const_value for part in graph.graphs() for value in part.initializers.values()]
    if sum(tensor.nbytes for tensor in held if tensor is not None) > INLINE_LIMIT:
        onnx_ir.external_data.unload_from_model(
            graph, path.parent, f"{path.name}.data", size_threshold_bytes=1024
        )
        onnx.save(onnx_ir.to_proto(graph), path)
        _check(path)
    else:
        save(onnx_ir.to_proto(onnx_ir.external_data.load_to_model(graph)), path)


def signature(artifact: Artifact) -> Signature:
    """Inputs that are no initializers, and outputs; an open dimension is dynamic."""
    graph = _read(artifact.path).graph
    held = {tensor.name for tensor in graph.initializer}
    return Signature(
        tuple(_spec(value) for value in graph.input if value.name not in held),
        tuple(_spec(value) for value in graph.output),
    )


def implied(artifact: Artifact) -> dict[str, str]:
    """A paste-ready `--input` for each input with dynamic dimensions."""
    return implied_specs(signature(artifact))


def summary(artifact: Artifact) -> Summary:
    """Counts over the graph, its subgraphs and functions, without constants."""
    import onnx.inliner

    model = _read(artifact.path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    kinds = (node.op_type for node, _ in graphs.walk(model.graph))
    return Summary(
        operations=dict(Counter(kind for kind in kinds if kind != "Constant")),
        parameters=graphs.parameters(model.graph),
        flops=_flops(model),
        weighted=graphs.weighted(model.graph),
    )


def index_bounds(artifact: Artifact) -> dict[str, int]:
    """Rows of the smallest constant table that each integer input gathers from."""
    return graphs.index_bounds(_read(artifact.path).graph)


def _read(path: Path) -> onnx.ModelProto:
    """The model without its external data."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise unreadable(path, "ONNX", error) from error
    refuse_newer(model, path.name)
    return model


def _external(path: Path, tensor: onnx.TensorProto) -> Path:
    """The file that holds an external tensor, checked."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    data: Path = path.parent / location
    if not location or not data.resolve().is_relative_to(path.parent.resolve()):
        raise bad_input(
            f"'{path.name}': tensor '{tensor.name}' points outside the model's folder, "
            f"to '{location}'",
            "put the data file beside the model and save it again with onnx.save",
        )
    if not data.is_file():
        raise bad_input(
            f"'{path.name}': the data file '{location}' of tensor '{tensor.name}' is missing",
            f"copy '{location}' beside the model",
        )
    end = int(facts.get("offset") or 0) + int(facts.get("length") or 0)
    if data.stat().st_size < end:
        raise bad_input(
            f"'{path.name}': the data file '{location}' ends before tensor '{tensor.name}'",
            f"copy '{location}' again: it is truncated",
        )
    return data


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    import onnx

    kind = value.type.tensor_type
    word = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    word = {"float": "float32", "double": "float64"}.get(word, word)
    shape = None
    if kind.HasField("shape"):
        shape = tuple(
            dim.dim_value if dim.HasField("dim_value") else Dim() for dim in kind.shape.dim
        )
    return TensorSpec(value.name, shape, word if word in DTYPES else None)


def _flops(model: onnx.ModelProto) -> int | None:
    """FLOPs with every dynamic dimension at 1."""
    import onnx

    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    del sized.graph.value_info[:]
    for value in sized.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred: Any = onnx.shape_inference.infer_shapes(sized, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return None
    return graphs.flops(inferred.graph)
