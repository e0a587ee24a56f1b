"""export_onnx: a torch graph as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion
from optkit.core.errors import OptkitError
from optkit.graphs import onnx_dims

if TYPE_CHECKING:
    import torch

_NEWEST_TRACED = 20  # torch's exporter for TorchScript knows no later opset


class Options(BaseModel):
    """Options of `export_onnx`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    opset: int = Field(18, ge=13, le=25, description="version of the ONNX operator set")
    optimize: bool = Field(True, description="fold constants and BatchNorm while exporting")


@conversion(
    Options, takes=("torchscript", "exported"), gives="onnx",
    needs=("torch", "onnx", "onnxscript", "onnx-ir"), cost=3,
)  # fmt: skip
def export_onnx(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Write a torch graph as ONNX.

    Given:
        TorchScript (torch's tracing exporter writes it), or an exported program (the newer one)
    Result:
        ONNX nodes, loops and branches among them; names, fixed and dynamic dimensions are those of
        the signature. Outputs in a dict or in nested tuples become outputs of their own

    Raises:
        OptkitError: the exporter cannot write that opset.
    """
    path = context.output / "model.onnx"
    export = _from_torchscript if artifact.format == "torchscript" else _from_program
    export(artifact, options, context, path)
    onnx_dims.match(path, artifact.signature)
    return Outcome(path)


def _from_program(artifact: Artifact, options: Options, _: Context, path: Path) -> None:
    from optkit.formats import exported
    from optkit.graphs.torch_export import to_onnx

    program = exported.load(artifact)
    made = to_onnx(program, artifact.signature, options.opset, optimize=options.optimize)
    made.save(path)


def _from_torchscript(artifact: Artifact, options: Options, context: Context, path: Path) -> None:
    import torch

    from optkit.formats import torchscript

    if options.opset > _NEWEST_TRACED:
        raise OptkitError(
            f"torch's exporter for TorchScript writes opset {_NEWEST_TRACED} at most, "
            f"not {options.opset}",
            f"export_onnx: {{opset: {_NEWEST_TRACED}}}",
        )
    signature = artifact.signature
    arrays = context.example(0)
    example = tuple(torch.from_numpy(arrays[spec.name]) for spec in signature.inputs)
    axes = {
        spec.name: onnx_dims.symbols(spec, "" if spec in signature.inputs else f"{spec.name}_")
        for spec in (*signature.inputs, *signature.outputs)
    }
    torch.onnx.export(
        _with_flat_outputs(torchscript.load(artifact), example),
        example,
        path,
        dynamo=False,
        verbose=False,
        opset_version=options.opset,
        do_constant_folding=options.optimize,
        input_names=[spec.name for spec in signature.inputs],
        output_names=[spec.name for spec in signature.outputs],
        dynamic_axes={name: free for name, free in axes.items() if free},
    )
    _lift_constants(path)


def _lift_constants(path: Path) -> None:
    """Weights of a frozen network come out as Constant nodes; make them initializers."""
    import onnx_ir
    from onnx_ir.passes.common import LiftConstantsToInitializersPass

    model = onnx_ir.load(path)
    LiftConstantsToInitializersPass(size_limit=0)(model)
    onnx_ir.save(model, path)


def _with_flat_outputs(
    network: torch.jit.ScriptModule, example: tuple[torch.Tensor, ...]
) -> torch.jit.ScriptModule:
    """The network with dicts and nested tuples among its outputs laid out flat.

    The exporter refuses to construct a dict; behind a lookup by constant keys there is none left.
    Tracing around a network calls its methods as they are, loops and branches included.
    """
    import torch

    from optkit.graphs.torch_outputs import flatten

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(tensor for _, tensor in flatten(self.network(*tensors)))

    with torch.no_grad():
        found = network(*example)
        if isinstance(found, torch.Tensor) or all(isinstance(o, torch.Tensor) for o in found):
            return network
        return torch.jit.trace(Flat(), example, check_trace=False).eval()
