"""optimize_strides: compute nothing that a strided 1×1 convolution throws away."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform
from optkit.rewrite import strides


class Options(BaseModel):
    """Options of `optimize_strides`: none yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@transform(Options, takes=("onnx",), edits=("onnx",), needs=("onnx", "onnx-ir"))
def optimize_strides(artifact: Artifact, options: Options, context: Context) -> Outcome:  # noqa: ARG001
    """Move the stride of a 1×1 convolution up to where its input is computed.

    It moves through element-wise operations and residual additions, as far as every reader takes
    it. Where one branch of an addition is needed in full elsewhere, that branch is sliced.

    Given:
        Conv(k×k, stride s) → Relu → Conv(1×1, stride t)
    Result:
        Conv(k×k, stride s·t) → Relu → Conv(1×1, stride 1)
    """
    return context.edit(artifact, strides.move_strides)
