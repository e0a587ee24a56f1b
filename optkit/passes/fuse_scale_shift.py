"""fuse_scale_shift: multiplications and additions of constants into the linear operation beside."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform


class Options(BaseModel):
    """Options of `fuse_scale_shift`: none yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@transform(Options, takes=("onnx",), edits=("onnx",), needs=("onnx", "onnx-ir"))
def fuse_scale_shift(artifact: Artifact, options: Options, context: Context) -> Outcome:  # noqa: ARG001
    """Fold Mul, Add, Sub and Div by constants into the linear operation before or after them.

    A chain of them, per tensor or per channel, is y = s·x + t. Before a padded convolution the
    scale is folded and the shift stays as an Add: in the bias it would change the border. A chain
    without a linear operation beside it becomes one Mul and one Add.

    Given:
        Conv(W, b) → Sub(μ) → Div(σ) → Mul(γ) → Add(β); or Mul(s) → Add(t) → Conv(W, b)
    Result:
        Conv(γ/σ·W, (b − μ)·γ/σ + β); or Conv(W·s, b + Σ W·t)
    """
    from optkit.rewrite import scale_shift

    return context.edit(artifact, scale_shift.fuse)
