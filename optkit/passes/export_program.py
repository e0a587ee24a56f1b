"""export_program: a network's graph as a torch.export program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion
from optkit.core.signature import Dim, TensorSpec

if TYPE_CHECKING:
    import torch


# What differs between equal programs: addresses in this process; paths and lines of this machine.
_HISTORY = ("from_node", "stack_trace")


class Options(BaseModel):
    """Options of `export_program`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strict: bool = Field(False, description="read the Python bytecode instead of running it")


@conversion(
    Options, takes=("module", "torchscript"), gives="exported", needs=("torch",), cost=4
)  # fmt: skip
def export_program(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Capture a network's graph as a torch.export program.

    Given:
        a network that is Python code, or TorchScript
    Result:
        a graph of ATen operations; dynamic dimensions are symbols, weights keep their names.
        TorchScript with loops is refused by torch's converter
    """
    import torch

    from optkit.formats import module

    specs = artifact.signature.inputs
    # torch takes a dimension of size 1 for a fixed one; the second example is larger than that.
    arrays = context.example(1 if any(spec.dynamic for spec in specs) else 0)
    example = {spec.name: torch.from_numpy(arrays[spec.name]) for spec in specs}
    network, args, kwargs = (
        (_from_torchscript(artifact, tuple(example.values())), tuple(example.values()), {})
        if artifact.format == "torchscript"
        else (module.load(artifact), (), example)
    )
    program = torch.export.export(
        network,
        args,
        kwargs,
        dynamic_shapes={spec.name: _dynamic(spec) for spec in specs},
        strict=options.strict and artifact.format == "module",
    )
    _forget_this_process(program)
    path = context.output / "model.pt2"
    torch.export.save(program, path)
    return Outcome(path)


def _forget_this_process(program: torch.export.ExportedProgram) -> None:
    """Drop where the nodes came from, so that equal networks give equal bytes."""
    import torch

    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for key in _HISTORY:
                    node.meta.pop(key, None)


def _dynamic(spec: TensorSpec) -> dict[int, Any] | None:
    import torch

    symbols = {
        axis: torch.export.Dim.DYNAMIC(min=dim.low, max=dim.high)
        for axis, dim in enumerate(spec.shape or ())
        if isinstance(dim, Dim)
    }
    return symbols or None


def _from_torchscript(artifact: Artifact, example: tuple[torch.Tensor, ...]) -> torch.nn.Module:
    """The graph as a module that can be exported, with the signature's names and dimensions.

    torch has no public way from TorchScript to a program. This converter, which torch uses itself,
    names inputs its own way, loses the structure of outputs and leaves every dimension open.
    """
    # torch looks at the parameters of forward() for the names of inputs.
    from inspect import Parameter, Signature

    from torch._export.converter import TS2EPConverter

    from optkit.formats import torchscript
    from optkit.graphs.torch_outputs import flatten

    program = TS2EPConverter(torchscript.load(artifact), example).convert()
    network: torch.nn.Module = program.module(check_guards=False)
    run = network.forward
    names = [spec.name for spec in artifact.signature.outputs]

    def forward(*tensors: torch.Tensor) -> Any:
        return _named(names, [tensor for _, tensor in flatten(run(*tensors))])

    parameters = [
        Parameter(spec.name, Parameter.POSITIONAL_OR_KEYWORD) for spec in artifact.signature.inputs
    ]
    forward.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    network.forward = forward
    return network


def _named(names: list[str], tensors: list[torch.Tensor]) -> Any:
    """Tensors in a container that gives them these names, see `torch_outputs.flatten`."""
    if names == ["output"]:
        return tensors[0]
    if names == [f"output_{index}" for index in range(len(names))]:
        return tuple(tensors)
    return dict(zip(names, tensors, strict=True))
