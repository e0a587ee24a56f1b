"""quantize_weights_int8: weights in 8 bits, activations as they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.quantization.ignored import IgnoredScope


class Options(BaseModel):
    """Options of `quantize_weights_int8`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    symmetric: bool = Field(False, description="a scale alone for each channel, no zero point")
    ignored_scope: IgnoredScope = Field(
        IgnoredScope(), description="operations that keep their weights"
    )


@transform(
    Options, takes=("ir",), needs=("nncf", "openvino"), precision="w8a16",
    after=("prune", "recover", "fuse_batchnorm", "simplify"),
)  # fmt: skip
def quantize_weights_int8(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights in 8 bits, a scale for each channel; they need no samples.

    Given:
        MatMul(x, W) in float32
    Result:
        MatMul(x, (Convert(W as u8) − zero point) · scale)

    Raises:
        OptkitError: `ignored_scope` names an operation that is not there (bad input).
    """
    from optkit.formats import ir
    from optkit.quantization.weights import compress_weights

    found = ir.summary(artifact).precision
    if not {"fp32", "fp16"} & found.keys():
        return unchanged("no floating-point weights")
    mode = "INT8_SYM" if options.symmetric else "INT8_ASYM"
    path = context.output / "model.xml"
    scope = options.ignored_scope.to_nncf()
    ir.save(compress_weights(ir.load(artifact), mode, ignored_scope=scope), path)
    return Outcome(path)
