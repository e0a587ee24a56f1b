"""Brings an ONNX model into the one form that rewritings know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optkit.core.errors import bad_input, root_cause
from optkit.graphs.onnx_graph import tensors, walk

if TYPE_CHECKING:
    import numpy as np
    import onnx

OLDEST_OPSET = 13
"""Older models are raised to it: before, operations took as attributes what now are inputs."""

_OWN_IR_VERSION = 7
"""Came with `OLDEST_OPSET`; from 4 on, a constant need not be an input too."""

_MEANT_OTHERWISE = {"PRelu": 7, "Scan": 9}
"""Operations that onnx raises as they stand, though before this opset they meant something else:
PRelu broadcast its slope from the left, Scan took a batch dimension first."""

_SMALL = 1024
"""Bytes; shape inference needs the values of small tensors, such as the shape of a Reshape."""


def refuse_newer(model: onnx.ModelProto, name: str) -> None:
    """Refuse what the installed library would misread.

    Raises:
        OptkitError: an operator set or IR version that it does not know yet (bad input).
    """
    import onnx

    newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
    known = f"newer than onnx {onnx.__version__} knows"
    fix = f"pip install --upgrade onnx, or export the model with opset {newest} or older"
    if opset > newest:
        raise bad_input(f"'{name}' has opset {opset}, {known} (up to {newest})", fix)
    if model.ir_version > onnx.IR_VERSION:
        raise bad_input(
            f"'{name}' has IR version {model.ir_version}, {known} (up to {onnx.IR_VERSION})", fix
        )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators; 0 where it uses none."""
    return max((item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}),
               default=0)  # fmt: skip


def rewritable(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The same network without functions and sparse weights, of a recent operator set.

    Raises:
        OptkitError: it is too old, and cannot be raised (bad input).
    """
    import onnx.inliner

    if 0 < opset_of(model) < OLDEST_OPSET:
        model = _raised(model, name)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model, convert_version=True)
    _make_dense(model.graph)
    model.ir_version = max(model.ir_version, _OWN_IR_VERSION)
    return model


def take_in_small(model: onnx.ModelProto, folder: str) -> None:
    """Load the external tensors that are small or stand in nodes; the large ones stay outside."""
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    weights = {tensor.name for tensor in model.graph.initializer}
    for tensor in tensors(model.graph):
        small = tensor.name not in weights or _length(tensor) <= _SMALL
        if small and uses_external_data(tensor):
            load_external_data_for_tensor(tensor, folder)
            tensor.ClearField("data_location")
            del tensor.external_data[:]


def _length(tensor: onnx.TensorProto) -> int:
    return next(
        (int(item.value) for item in tensor.external_data if item.key == "length"), _SMALL + 1
    )


def _raised(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    import onnx.version_converter

    opset = opset_of(model)
    fix = f"export the model again with opset {OLDEST_OPSET} or newer"
    what = f"'{name}' has opset {opset}, and cannot be raised to {OLDEST_OPSET}"
    for node, _ in walk(model.graph):
        if opset < _MEANT_OTHERWISE.get(node.op_type, 0):
            since = _MEANT_OTHERWISE[node.op_type]
            raise bad_input(f"{what}: {node.op_type} had another meaning before opset {since}", fix)
    try:
        raised = onnx.version_converter.convert_version(model, OLDEST_OPSET)
    except Exception as error:
        raise bad_input(f"{what}: {root_cause(error)}", fix) from error
    if _ports(raised) != _ports(model):
        raise bad_input(f"{what}: its inputs or outputs would change", fix)
    return raised


def _ports(model: onnx.ModelProto) -> list[tuple[str, bytes]]:
    ports = (*model.graph.input, *model.graph.output)
    return [(port.name, port.type.SerializeToString(deterministic=True)) for port in ports]


def _make_dense(graph: onnx.GraphProto) -> None:
    """Write sparse initializers and Constants out, those of subgraphs included."""
    from onnx import numpy_helper

    for sparse in graph.sparse_initializer:
        graph.initializer.append(numpy_helper.from_array(_dense(sparse), sparse.values.name))
    del graph.sparse_initializer[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "sparse_value" and node.op_type == "Constant":
                tensor = numpy_helper.from_array(_dense(attribute.sparse_tensor))
                attribute.Clear()
                attribute.name, attribute.type = "value", attribute.TENSOR
                attribute.t.CopyFrom(tensor)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _make_dense(inner)


def _dense(sparse: onnx.SparseTensorProto) -> np.ndarray:
    import numpy as np
    from onnx import numpy_helper

    values, places = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    made = np.zeros(tuple(sparse.dims), values.dtype)
    if places.ndim == 2:
        made[tuple(places.T)] = values
    else:
        made.reshape(-1)[places] = values
    return made
