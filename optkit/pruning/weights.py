"""Which tensors of a graph are trained, and how they move from one graph to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import operation, tensor_at

if TYPE_CHECKING:
    import torch

_TRAINED = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv3d", "convolution", "_convolution", "conv_transpose1d",
         "conv_transpose2d", "conv_transpose3d", "linear", "batch_norm", "mm", "matmul"),
        (1, 2),
    ),
    "addmm": (0, 2),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), (2, 3)),
    "embedding": (0,),
    "prelu": (1,),
}  # fmt: skip


def trainable(graph: torch.fx.GraphModule) -> list[torch.Tensor]:
    """The weights and biases of layers as parameters, each once; constants and statistics are none.

    What a converter left as constants becomes a parameter. Tied weights stay tied.
    """
    import torch

    found: dict[str, torch.Tensor] = {}  # holds on to what is replaced: its memory tells it apart
    for node in graph.graph.nodes:
        for at in _TRAINED.get(operation(node), ()):
            given: Any = node.args[at] if at < len(node.args) else None
            if getattr(given, "op", "") == "get_attr":
                found[given.target] = tensor_at(graph, given.target)
    made: dict[Any, torch.Tensor] = {}
    for name, tensor in found.items():
        if tensor.is_floating_point():
            key = tensor.data_ptr(), tensor.shape, tensor.stride()
            if key not in made:
                made[key] = torch.nn.Parameter(tensor.detach().clone())
            _put(graph, name, made[key])
    return list(made.values())


def values(graph: torch.fx.GraphModule) -> dict[str, torch.Tensor]:
    """A copy of every tensor of a graph, by name."""
    return {
        node.target: tensor_at(graph, node.target).detach().clone()
        for node in graph.graph.nodes
        if node.op == "get_attr"
    }


def put(graph: torch.fx.GraphModule, found: Mapping[str, torch.Tensor]) -> None:
    """Give a graph's tensors these values, in place.

    Raises:
        KeyError: one is missing.
        RuntimeError: one has another shape.
    """
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            tensor_at(graph, node.target).detach().copy_(found[node.target])


def _put(graph: torch.nn.Module, name: str, value: Any) -> None:
    owner, _, leaf = name.rpartition(".")
    holder: Any = graph.get_submodule(owner) if owner else graph
    if leaf in holder._buffers:
        del holder._buffers[leaf]
    elif hasattr(holder, leaf) and leaf not in holder._parameters:
        delattr(holder, leaf)
    setattr(holder, leaf, value)
