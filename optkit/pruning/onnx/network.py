"""An ONNX graph as a torch module, so that torch can follow and train it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError
from optkit.core.signature import Signature
from optkit.pruning.onnx.operations import OPERATIONS
from optkit.pruning.onnx.shapes import ON_SHAPES, is_known

if TYPE_CHECKING:
    import onnx
    import torch

_DOMAINS = {"", "ai.onnx"}


def onnx_network(model: onnx.ModelProto, signature: Signature) -> torch.nn.Module:
    """A module that computes what the graph does, floating initializers as its parameters.

    Inputs keep their order; `forward` names them as the signature does, and gives the outputs laid
    out flat under theirs.

    Raises:
        OptkitError: an operation that this reader does not know, by its name.
    """
    import torch

    _refuse_unknown(model.graph.node)
    steps = list(_steps(model.graph.node))
    inner = [value.name for value in model.graph.input]
    weights = {item.name: _value(item) for item in model.graph.initializer}
    inner = [name for name in inner if name not in weights]
    ends = [value.name for value in model.graph.output]

    class Onnx(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.places = dict(_hold(self, weights))

        def forward(self, *given: torch.Tensor) -> Any:
            values: dict[str, Any] = {"": None, **dict(zip(inner, given, strict=True))}
            for name, value in weights.items():
                values[name] = _at(self, self.places[name]) if name in self.places else value
            for word, attributes, reads, writes in steps:
                found = _run(word, attributes, [values[name] for name in reads])
                several = found if isinstance(found, tuple) else (found,)
                values.update(zip(writes, several, strict=False))
            return tuple(_tensor(values[name]) for name in ends)

    from optkit.graphs.torch_export import with_face

    network: torch.nn.Module = with_face(Onnx().eval(), signature)
    return network


def _refuse_unknown(nodes: Sequence[onnx.NodeProto]) -> None:
    unknown = {
        node.op_type if node.domain in _DOMAINS else f"{node.domain}.{node.op_type}"
        for node in nodes
        if node.domain not in _DOMAINS or node.op_type not in {*OPERATIONS, *ON_SHAPES, "Constant"}
    }
    if unknown:
        raise OptkitError(
            f"the graph holds {', '.join(sorted(unknown))}, which cannot be brought into torch",
            "prune before the conversion to ONNX: start from the torch network",
        )


def _steps(nodes: Sequence[onnx.NodeProto]) -> Iterator[tuple[str, dict[str, Any], Any, Any]]:
    import onnx

    for node in nodes:
        attributes: dict[str, Any] = {}
        for item in node.attribute:
            value = onnx.helper.get_attribute_value(item)
            value = value.decode() if isinstance(value, bytes) else value
            attributes[item.name] = _value(value) if item.type == item.TENSOR else value
        yield node.op_type, attributes, list(node.input), list(node.output)


def _value(proto: onnx.TensorProto) -> Any:
    """A tensor; whole numbers as nested lists, for they say shapes and places more often."""
    import onnx
    import torch

    array = onnx.numpy_helper.to_array(proto)
    if array.dtype.kind in "iu" and array.ndim <= 1:
        return array.tolist()
    return torch.from_numpy(array.copy())


def _run(word: str, attributes: Mapping[str, Any], given: list[Any]) -> Any:
    if word == "Constant":
        return next(iter(attributes.values()))
    if word in ON_SHAPES and (word not in OPERATIONS or all(map(is_known, given))):
        return ON_SHAPES[word](attributes, *given)
    return OPERATIONS[word](attributes, *given)


def _tensor(value: Any) -> Any:
    import torch

    return torch.tensor(value) if isinstance(value, (int, float, list)) else value


def _hold(network: torch.nn.Module, weights: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Put tensors into a module under names like their own; gives ONNX's names and the module's."""
    import torch

    taken: set[str] = set()
    for name, value in weights.items():
        if not isinstance(value, torch.Tensor):
            continue
        parts = [part or "_" for part in re.sub(r"[^\w.]", "_", name).split(".")]
        place = ".".join(parts)
        if place in taken or (
            any(hasattr(network, part) for part in parts[:1]) and not _fits(network, parts)
        ):
            place = f"weight_{len(taken)}"
            parts = [place]
        taken.add(place)
        holder = network
        for part in parts[:-1]:
            if not hasattr(holder, part):
                holder.add_module(part, torch.nn.Module())
            holder = getattr(holder, part)
        if value.is_floating_point():
            holder.register_parameter(parts[-1], torch.nn.Parameter(value))
        else:
            holder.register_buffer(parts[-1], value)
        yield name, place


def _fits(network: torch.nn.Module, parts: Sequence[str]) -> bool:
    """Whether a dotted name is free: modules on the way, nothing at its end."""
    import torch

    holder: Any = network
    for part in parts[:-1]:
        holder = getattr(holder, part, None)
        if holder is None:
            return True
        if not isinstance(holder, torch.nn.Module):
            return False
    return not hasattr(holder, parts[-1])


def _at(network: torch.nn.Module, place: str) -> Any:
    found: Any = network
    for part in place.split("."):
        found = getattr(found, part)
    return found
