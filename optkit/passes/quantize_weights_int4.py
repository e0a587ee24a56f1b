"""quantize_weights_int4: weights in 4 bits, activations as they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged


class Options(BaseModel):
    """Options of `quantize_weights_int4`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symmetric: bool = Field(True, description="a scale alone for each group, no zero point")
    ratio: float = Field(
        1.0, ge=0, le=1, description="share of the weights in 4 bits; the rest has 8"
    )
    group_size: int | None = Field(
        None, description="weights that share a scale; -1: a whole channel. Default: 64, or "
        "what divides the channels",
    )  # fmt: skip


@transform(
    Options, takes=("ir",), needs=("nncf", "openvino"), precision="w4a16",
    after=("prune", "recover", "fuse_batchnorm", "simplify"),
)  # fmt: skip
def quantize_weights_int4(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights of matrix products in 4 bits, others in 8; they need no samples.

    Given:
        MatMul(x, W) in float32
    Result:
        MatMul(x, Convert(W as i4) · scale of each group); convolutions, embeddings and the last
        layer in 8 bits
    """
    from optkit.formats import ir
    from optkit.graphs.ir_graph import precision
    from optkit.quantization.weights import compress_weights

    found = ir.summary(artifact).precision
    if not {"fp32", "fp16"} & found.keys():
        return unchanged("no floating-point weights")
    mode = "INT4_SYM" if options.symmetric else "INT4_ASYM"
    small = compress_weights(
        ir.load(artifact), mode, ratio=options.ratio, group_size=options.group_size
    )
    path = context.output / "model.xml"
    ir.save(small, path)
    held = precision(small)["w4a16"]
    reason = None if held else "no matrix product takes 4 bits; its weights have 8"
    return Outcome(path, reason, {"in_4_bits": held})
