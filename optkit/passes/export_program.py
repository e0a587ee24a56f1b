"""export_program: a network's graph as a torch.export program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion
from optkit.core.signature import Dim, TensorSpec

if TYPE_CHECKING:
    import torch


class Options(BaseModel):
    """Options of `export_program`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strict: bool = Field(False, description="read the Python bytecode instead of running it")


@conversion(
    Options, takes=("module", "torchscript"), gives="exported", needs=("torch",), cost=4
)  # fmt: skip
def export_program(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Capture a network's graph as a torch.export program.

    Given a network that is Python code, or TorchScript, the result is a graph of ATen operations
    whose dynamic dimensions are symbols. TorchScript with loops is refused by torch's converter.
    """
    import torch

    arrays = context.example(0)
    example = {spec.name: torch.from_numpy(arrays[spec.name]) for spec in artifact.signature.inputs}
    program = (
        _from_torchscript(artifact, tuple(example.values()))
        if artifact.format == "torchscript"
        else _from_module(artifact, example, strict=options.strict)
    )
    path = context.output / "model.pt2"
    torch.export.save(program, path)
    return Outcome(path)


def _from_module(
    artifact: Artifact, example: dict[str, torch.Tensor], *, strict: bool
) -> torch.export.ExportedProgram:
    import torch

    from optkit.formats import module

    shapes = {spec.name: _dynamic(spec) for spec in artifact.signature.inputs}
    return torch.export.export(
        module.load(artifact), (), kwargs=example, dynamic_shapes=shapes, strict=strict
    )


def _dynamic(spec: TensorSpec) -> dict[int, Any] | None:
    import torch

    symbols = {
        axis: torch.export.Dim.DYNAMIC(min=dim.low, max=dim.high)
        for axis, dim in enumerate(spec.shape or ())
        if isinstance(dim, Dim)
    }
    return symbols or None


def _from_torchscript(
    artifact: Artifact, example: tuple[torch.Tensor, ...]
) -> torch.export.ExportedProgram:
    # torch has no public way from TorchScript to a program; this converter is what it uses itself.
    from torch._export.converter import TS2EPConverter

    from optkit.formats import torchscript

    return TS2EPConverter(torchscript.load(artifact), example).convert()
