"""What a flat graph of ATen operations holds: operations, tensors, layers and shapes by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import argument

if TYPE_CHECKING:
    import torch


_ROLE = re.compile(r"[._]?(weight|bias|running_mean|running_var)(_fused_bn)?$")


LINEAR = frozenset({
    "conv1d", "conv2d", "conv3d", "convolution", "_convolution", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "linear", "addmm", "mm", "matmul",
})  # fmt: skip
"""Operations that multiply with a weight."""


def operation(node: Any) -> str:
    """The name of an ATen operation, in place or not; '' for what is none."""
    schema = getattr(node.target, "_schema", None)
    return schema.name.partition("::")[2].removesuffix("_") if schema else ""


def described(node: Any) -> str:
    """An operation as messages name it."""
    return f"{operation(node) or node.op} '{node.name}'"


def tensor_at(network: torch.nn.Module, name: str) -> torch.Tensor:
    """The tensor under a dotted name."""
    found: Any = network
    for part in name.split("."):
        found = getattr(found, part)
    tensor: torch.Tensor = found
    return tensor


def layer_of(name: str) -> str:
    """The layer that a tensor belongs to: its name without `.weight` or `.bias`."""
    return _ROLE.sub("", name.removeprefix("lifted_tensor_self.")) or name


def record(network: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]) -> dict[Any, Any]:
    """The shape of every value in one run."""
    import torch

    shapes: dict[Any, Any] = {}

    class Recorder(torch.fx.Interpreter):  # type: ignore[misc]
        def run_node(self, node: Any) -> Any:
            value = super().run_node(node)
            shapes[node] = _shape(value)
            return value

    with torch.no_grad():
        Recorder(network).run(*inputs, enable_io_processing=False)
    return shapes


def _shape(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, (tuple, list)):
        return [_shape(item) for item in value]
    return None


def by_use(network: torch.fx.GraphModule) -> list[Any]:
    """The nodes of weights in the order of their first use, which is the same from any source."""
    place = {node: at for at, node in enumerate(network.graph.nodes)}
    weights = [node for node in network.graph.nodes if node.op == "get_attr" and node.users]
    return sorted(weights, key=lambda node: min(place[user] for user in node.users))


def out_axes(network: torch.fx.GraphModule) -> dict[str, int]:
    """By weight of a linear operation: the axis of what it makes."""
    found: dict[str, int] = {}
    for node in network.graph.nodes:
        kind = operation(node)
        if "conv" in kind and kind in LINEAR:
            at, axis = 1, int(is_transposed(node))
        elif kind == "linear":
            at, axis = 1, 0
        elif kind in {"addmm", "mm", "matmul"}:
            at, axis = (2 if kind == "addmm" else 1), 1
        else:
            continue
        if getattr(node.args[at], "op", "") == "get_attr":
            found[node.args[at].target] = axis
    return found


def groups_of(node: Any) -> int:
    """The number of groups of a convolution."""
    return int(argument(node, groups_position(node), "groups", 1))


def groups_position(node: Any) -> int:
    """Where among its arguments a convolution has its number of groups."""
    name = node.target._schema.name
    if name.endswith("convolution"):
        return 8
    return 7 if "transpose" in name else 6


def is_transposed(node: Any) -> bool:
    """Whether a convolution is a transposed one."""
    name = node.target._schema.name
    if name.endswith("convolution"):
        return bool(argument(node, 6, "transposed", default=False))
    return "transpose" in name
