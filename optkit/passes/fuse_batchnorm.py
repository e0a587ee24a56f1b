"""fuse_batchnorm: BatchNorm into the linear operation before it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged


class Options(BaseModel):
    """Options of `fuse_batchnorm`: none yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@transform(
    Options, takes=("torchscript", "onnx"), edits=("onnx",),
    needs=("torch", "onnx", "onnxscript", "onnx-ir"),
)  # fmt: skip
def fuse_batchnorm(artifact: Artifact, options: Options, context: Context) -> Outcome:  # noqa: ARG001
    """Fold BatchNorm into the convolution or linear layer before it or, in ONNX, after it.

    With s = γ/√(σ²+ε) and t = β − μ·s, per channel. Before a padded convolution only
    where t is zero, else the border would change.

    Given:
        Conv(W, b) → BatchNorm(γ, β, μ, σ²); or BatchNorm(γ, β, μ, σ²) → Conv(W, b)
    Result:
        Conv(s·W, s·b + t); or Conv(W·s, b + Σ W·t)
    """
    if artifact.format == "torchscript":
        return _fold_torchscript(artifact, context)

    from optkit.rewrite import batchnorm

    return context.edit(artifact, batchnorm.fuse)


def _fold_torchscript(artifact: Artifact, context: Context) -> Outcome:
    import torch

    from optkit.formats import torchscript

    network = torchscript.load(artifact)
    before = _count_torchscript(network)
    if not before:
        return unchanged("no BatchNorm in the graph")
    frozen = torch.jit.freeze(network)
    left = _count_torchscript(frozen)
    if left == before:
        return unchanged("no BatchNorm follows a convolution or linear layer")
    path = context.output / "model.pt"
    torchscript.save(frozen, path)
    return Outcome(path, details={"folded": before - left, "left": left})


def _count_torchscript(network: object) -> int:
    graph = network.inlined_graph  # type: ignore[attr-defined]
    return sum(len(graph.findAllNodes(f"aten::{op}")) for op in ("batch_norm", "_batch_norm_impl"))
