"""A network as a flat fx graph of ATen operations, from any source, and back out of it."""

from __future__ import annotations

import copy
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError, root_cause
from optkit.core.signature import Signature
from optkit.graphs.torch_export import from_torchscript, named, to_onnx, to_program
from optkit.graphs.torch_trace import fresh_class_names
from optkit.pruning.graph import operation
from optkit.pruning.onnx.network import onnx_network
from optkit.pruning.weights import trainable

if TYPE_CHECKING:
    import numpy as np
    import torch

    Arrays = Mapping[str, np.ndarray]

_OPSET = 18
_CHECKS = {"_assert_tensor_metadata", "_assert_async", "_assert_scalar", "sym_constrain_range"}


@dataclass(frozen=True)
class Network:
    """A network that can be followed, cut and trained.

    Attributes:
        graph: takes the inputs as tensors in order and returns a tuple of outputs; weights are
            attributes.
        signature: the names and shapes on both sides.
    """

    graph: torch.fx.GraphModule
    signature: Signature

    def inputs(self, arrays: Arrays) -> tuple[torch.Tensor, ...]:
        """Inputs by name as the graph takes them."""
        import numpy as np
        import torch

        return tuple(
            torch.from_numpy(np.ascontiguousarray(arrays[spec.name]))
            for spec in self.signature.inputs
        )


def rebuild(model: Any, signature: Signature, arrays: Arrays) -> Network:
    """A network as a flat graph.

    Args:
        model: an ExportedProgram, a ScriptModule, a ModelProto or an nn.Module.
        signature: its whole signature.
        arrays: one legal input.

    Raises:
        OptkitError: the network cannot be captured as a graph, told why.
    """
    import torch

    inputs = tuple(torch.from_numpy(arrays[spec.name]) for spec in signature.inputs)
    if isinstance(model, torch.export.ExportedProgram):
        program = model
    else:
        try:
            program = _captured(model, signature, inputs)
        except OptkitError:
            raise
        except Exception as error:  # whatever torch raises, it could not follow the network
            raise OptkitError(
                f"the network cannot be captured as a graph: {root_cause(error)}",
                "a network that branches on its input's values has no one graph; leave the pass "
                "out, or give the network as an exported program or ONNX",
            ) from error
    graph = program.module(check_guards=False)
    flat = _flattened(graph, len(signature.inputs), len(signature.outputs))
    trainable(flat)  # what a converter left as constants is a weight again
    return Network(flat, signature)


def _captured(
    model: Any, signature: Signature, inputs: tuple[torch.Tensor, ...]
) -> torch.export.ExportedProgram:
    import torch

    face = _safe(signature)
    if isinstance(model, torch.jit.ScriptModule):
        return to_program(from_torchscript(model, inputs, face), inputs, {}, face.inputs)
    if isinstance(model, torch.nn.Module):
        named_inputs = {spec.name: x for spec, x in zip(face.inputs, inputs, strict=True)}
        return to_program(model, (), named_inputs, face.inputs)
    return to_program(onnx_network(model, face), inputs, {}, face.inputs)


def emit(network: Network, word: str, arrays: Arrays) -> Any:
    """A network as `exported`, `torchscript` or `onnx`, as the formats save it.

    Args:
        network: in evaluation mode.
        word: the format.
        arrays: one legal input.
    """
    import torch

    face = _safe(network.signature)
    graph = _faced(network, face)
    inputs = network.inputs(arrays)
    if word == "torchscript":
        with torch.no_grad(), fresh_class_names():
            return torch.jit.trace(graph.eval(), inputs, strict=False, check_trace=False)
    with torch.no_grad():
        program = to_program(graph, inputs, {}, face.inputs)
    if word == "exported":
        return program
    normalized = any("batch_norm" in node.name for node in graph.graph.nodes)
    made = to_onnx(program, network.signature, _OPSET, optimize=not normalized)
    return made.model_proto


def run(network: Network, inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The outputs, in the signature's order."""
    found: tuple[torch.Tensor, ...] = network.graph(*inputs)
    return found


def _flattened(graph: Any, inputs: int, outputs: int) -> torch.fx.GraphModule:
    """Tensors in, a tuple of tensors out, whatever containers the network has."""
    import torch

    graph.graph.set_codegen(torch.fx.graph.CodeGen())
    holders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    (end,) = (node for node in graph.graph.nodes if node.op == "output")
    results = tuple(item for item in _leaves(end.args[0]) if isinstance(item, torch.fx.Node))
    if len(holders) != inputs or len(results) != outputs:
        raise OptkitError(
            f"the graph has {len(holders)} inputs and {len(results)} outputs, "
            f"the signature {inputs} and {outputs}",
            "give the network tensors only",
        )
    end.args = (results,)
    for node in reversed(list(graph.graph.nodes)):  # checks that a run makes of sizes and dtypes
        guards = node.op == "call_module" and node.target == "_guards_fn"
        checks = operation(node) in _CHECKS and not node.users
        if guards or checks or (node.op == "get_attr" and not node.users):
            graph.graph.erase_node(node)
    # a fresh module has what the graph uses, and none of the checks that came with the old one
    return torch.fx.GraphModule(graph, graph.graph)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _faced(network: Network, face: Signature) -> torch.fx.GraphModule:
    """A copy whose `forward` has the signature's names and gives its outputs by theirs."""
    graph = copy.deepcopy(network.graph)
    holders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for node, spec in zip(holders, face.inputs, strict=True):
        node.target = spec.name
    (end,) = (node for node in graph.graph.nodes if node.op == "output")
    end.args = (named([spec.name for spec in face.outputs], list(end.args[0])),)
    graph.recompile()
    for tensor in graph.parameters():
        tensor.requires_grad_(requires_grad=False)
    return graph


def _safe(signature: Signature) -> Signature:
    """The signature with input names that Python takes, for a graph that came from elsewhere."""
    inputs = tuple(
        spec
        if spec.name.isidentifier() and not keyword.iskeyword(spec.name)
        else replace(spec, name=f"input_{at}")
        for at, spec in enumerate(signature.inputs)
    )
    return replace(signature, inputs=inputs)
