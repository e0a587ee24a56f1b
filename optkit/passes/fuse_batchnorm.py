"""fuse_batchnorm: BatchNorm into the linear operation before it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged


class Options(BaseModel):
    """Options of `fuse_batchnorm`: none yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@transform(
    Options, takes=("torchscript", "onnx"), needs=("torch", "onnx", "onnxscript", "onnx-ir")
)  # fmt: skip
def fuse_batchnorm(artifact: Artifact, options: Options, context: Context) -> Outcome:  # noqa: ARG001
    """Fold BatchNorm into the convolution or linear layer before it.

    Given:
        Conv(W, b) → BatchNorm(γ, β, μ, σ²)
    Result:
        Conv(W · γ/√(σ²+ε), (b − μ) · γ/√(σ²+ε) + β)
    """
    fold = _fold_torchscript if artifact.format == "torchscript" else _fold_onnx
    return fold(artifact, context)


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


def _fold_onnx(artifact: Artifact, context: Context) -> Outcome:
    import onnx_ir
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common

    from optkit.formats import onnx

    model = onnx_ir.from_proto(onnx.load(artifact))
    before = _count_onnx(model)
    if not before:
        return unchanged("no BatchNorm in the graph")
    # A bias computed by Shape / CastLike / Expand, as torch exports it unoptimized, hides the
    # convolution from the rules until it is a constant.
    optimizer.optimize(model)
    rules = [
        common.fuse_batchnorm_into_conv_rule,
        common.fuse_batchnorm_into_conv_transpose_rule,
        common.fuse_batchnorm_into_gemm_rule,
    ]
    folded = rewriter.rewrite(model, pattern_rewrite_rules=rules)
    left = _count_onnx(folded)
    if left == before:
        return unchanged("no BatchNorm follows a convolution or linear layer")
    path = context.output / "model.onnx"
    onnx.save(onnx_ir.to_proto(folded), path)
    return Outcome(path, details={"folded": before - left, "left": left})


def _count_onnx(model: object) -> int:
    nodes = model.graph.all_nodes()  # type: ignore[attr-defined]
    return sum(node.op_type == "BatchNormalization" for node in nodes)
