"""trace: record one run of a network as TorchScript."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion
from optkit.core.errors import OptkitError


class Options(BaseModel):
    """Options of `trace`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    freeze: bool = Field(False, description="inline weights and fold BatchNorm while at it")


@conversion(Options, takes=("module",), gives="torchscript", needs=("torch",), cost=2)
def trace(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Record one run of a network as TorchScript.

    Given:
        a network that is Python code
    Result:
        the graph of the operations that it ran on one example input. Branches and loops are
        recorded as they went; a network whose recording depends on its input's values is refused

    Raises:
        OptkitError: a second input, of other values and another legal size, gives other results
            than the network.
    """
    import torch

    from optkit.formats import module, torchscript
    from optkit.graphs.torch_outputs import flatten
    from optkit.graphs.torch_trace import fresh_class_names

    network = module.load(artifact)
    names = [spec.name for spec in artifact.signature.inputs]

    def example(variant: int) -> dict[str, torch.Tensor]:
        arrays = context.example(variant)
        return {name: torch.from_numpy(arrays[name]) for name in names}

    with torch.no_grad(), fresh_class_names():
        traced = torch.jit.trace(
            network, example_kwarg_inputs=example(0), strict=False, check_trace=False
        )
        if options.freeze:
            traced = torch.jit.freeze(traced)
        probe = example(1)
        expected, found = flatten(network(**probe)), flatten(traced(**probe))
    for (name, want), (_, got) in zip(expected, found, strict=True):
        if want.shape != got.shape or not torch.allclose(want, got, rtol=1e-3, atol=1e-5):
            raise OptkitError(
                f"the recording gives another '{name}' than the network on a second input",
                "the network branches on its input; use export_program, or torch.jit.script it",
            )
    path = context.output / "model.pt"
    torchscript.save(traced, path)
    return Outcome(path)
