"""simplify: constant folding and dead-code removal on ONNX."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged

if TYPE_CHECKING:
    import onnx


class Options(BaseModel):
    """Options of `simplify`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tensor_size_threshold: str = Field(
        "10MB", description="folded constants above this size stay computed"
    )


@transform(Options, takes=("onnx",), needs=("onnx", "onnxsim"), auto=("onnx",))
def simplify(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Fold constants, merge equal nodes and drop dead ones, by onnxsim.

    Given:
        Shape → Gather → Concat → Reshape, on a fixed shape
    Result:
        Reshape by a constant
    """
    import onnxsim

    from optkit.formats import onnx

    model = onnx.load(artifact)
    simpler, _ = onnxsim.simplify(
        model,
        skip_fuse_bn=True,  # a pass of its own
        tensor_size_threshold=options.tensor_size_threshold,
    )
    before, after = _operations(model), _operations(simpler)
    if before == after:
        return unchanged("nothing to fold")
    path = context.output / "model.onnx"
    onnx.save(simpler, path)
    return Outcome(path, details={"removed": dict(before - after), "added": dict(after - before)})


def _operations(model: onnx.ModelProto) -> Counter[str]:
    kinds = (node.op_type for node in model.graph.node)
    return Counter(kind for kind in kinds if kind != "Constant")
