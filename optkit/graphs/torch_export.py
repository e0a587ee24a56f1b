"""Networks as torch.export programs, TorchScript among them, and programs as ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.graphs.torch_outputs import flatten

if TYPE_CHECKING:
    import torch

# What differs between equal programs: addresses in this process; paths and lines of this machine.
_HISTORY = ("from_node", "stack_trace")
# In ONNX, keys that name where a node came from are kept; the stack trace holds paths.
_STACK_TRACE = "pkg.torch.onnx.stack_trace"


def to_program(
    network: torch.nn.Module,
    args: tuple[torch.Tensor, ...],
    kwargs: Mapping[str, torch.Tensor],
    specs: Sequence[TensorSpec],
    *,
    strict: bool = False,
) -> torch.export.ExportedProgram:
    """Capture a network; equal networks give equal programs.

    Args:
        network: its `forward` names the inputs.
        args: one legal input, by position.
        kwargs: its other half, by name.
        specs: the inputs; what is dynamic in them becomes a symbol.
        strict: read the Python bytecode instead of running it.
    """
    import torch

    program = torch.export.export(
        network,
        args,
        dict(kwargs),
        dynamic_shapes={spec.name: _dynamic(spec) for spec in specs},
        strict=strict,
    )
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for key in _HISTORY:
                    node.meta.pop(key, None)
    return program


def from_torchscript(
    script: torch.jit.ScriptModule, example: tuple[torch.Tensor, ...], signature: Signature
) -> torch.nn.Module:
    """The graph as a module that can be exported, with the signature's names and dimensions.

    torch has no public way from TorchScript to a program. This converter, which torch uses itself,
    names inputs its own way, loses the structure of outputs and leaves every dimension open.
    """
    from torch._export.converter import TS2EPConverter

    program = TS2EPConverter(script, example).convert()
    return with_face(program.module(check_guards=False), signature)


def with_face(network: torch.nn.Module, signature: Signature) -> torch.nn.Module:
    """Give a network the signature's names: of its inputs, and of its outputs laid out flat.

    The module itself is changed.
    """
    # torch looks at the parameters of forward() for the names of inputs.
    from inspect import Parameter
    from inspect import Signature as Call

    run = network.forward
    names = [spec.name for spec in signature.outputs]

    def forward(*tensors: torch.Tensor) -> Any:
        return named(names, [tensor for _, tensor in flatten(run(*tensors))])

    parameters = [
        Parameter(spec.name, Parameter.POSITIONAL_OR_KEYWORD) for spec in signature.inputs
    ]
    forward.__signature__ = Call(parameters)  # type: ignore[attr-defined]
    network.forward = forward
    return network


def named(names: Sequence[str], tensors: Sequence[torch.Tensor]) -> Any:
    """Tensors in a container that gives them these names, see `torch_outputs.flatten`."""
    if list(names) == ["output"]:
        return tensors[0]
    if list(names) == [f"output_{index}" for index in range(len(names))]:
        return tuple(tensors)
    return dict(zip(names, tensors, strict=True))


def to_onnx(
    program: torch.export.ExportedProgram, signature: Signature, opset: int, *, optimize: bool
) -> Any:
    """A program as ONNX, the signature's names on inputs and outputs; has `save(path)`.

    Raises:
        OptkitError: the exporter cannot write that opset.
    """
    import torch

    made = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        opset_version=opset,
        optimize=optimize,
        input_names=[spec.name for spec in signature.inputs],
        output_names=[spec.name for spec in signature.outputs],
    )
    assert made is not None
    if (written := made.model.opset_imports[""]) != opset:
        raise OptkitError(
            f"torch's exporter writes opset {written}, which could not be converted down to "
            f"opset {opset}",
            f"export_onnx: {{opset: {written}}}, or start from TorchScript",
        )
    for node in made.model.graph.all_nodes():
        node.metadata_props.pop(_STACK_TRACE, None)
    return made


def _dynamic(spec: TensorSpec) -> dict[int, Any] | None:
    import torch

    symbols = {
        axis: torch.export.Dim.DYNAMIC(min=dim.low, max=dim.high)
        for axis, dim in enumerate(spec.shape or ())
        if isinstance(dim, Dim)
    }
    return symbols or None
