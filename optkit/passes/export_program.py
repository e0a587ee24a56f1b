"""export_program: a network's graph as a torch.export program."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion


class Options(BaseModel):
    """Options of `export_program`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

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

    from optkit.formats import exported, module, torchscript
    from optkit.graphs.torch_export import from_torchscript, to_program

    signature = artifact.signature
    # torch takes a dimension of size 1 for a fixed one; the second example is larger than that.
    arrays = context.example(1 if any(spec.dynamic for spec in signature.inputs) else 0)
    example = {spec.name: torch.from_numpy(arrays[spec.name]) for spec in signature.inputs}
    if artifact.format == "torchscript":
        args = tuple(example.values())
        network = from_torchscript(torchscript.load(artifact), args, signature)
        program = to_program(network, args, {}, signature.inputs)
    else:
        network = module.load(artifact)
        program = to_program(network, (), example, signature.inputs, strict=options.strict)
    path = context.output / "model.pt2"
    exported.save(program, path)
    return Outcome(path)
