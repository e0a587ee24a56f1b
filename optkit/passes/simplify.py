"""simplify: constant folding, common subexpressions and dead code on ONNX."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform
from optkit.rewrite import simplify as method

_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


class Options(BaseModel):
    """Options of `simplify`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    tensor_size_threshold: str = Field(
        "10MB",
        pattern=r"^[0-9]+(\.[0-9]+)? ?[KMG]?B$",
        description="bytes that folding may add to the file; larger constants stay computed",
    )


@transform(
    Options, takes=("onnx",), needs=("onnx", "onnx-ir", "onnxscript", "onnxsim"),
    edits=("onnx",),
)  # fmt: skip
def simplify(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Fold constants, merge equal nodes and drop dead ones.

    Nothing is fused but a Pad of zeros, which becomes the padding of the Convs that read it. A
    constant is folded where it does not take more bytes than what it replaces, or where all
    that were made so take no more than `tensor_size_threshold`. Random nodes stay.

    Given:
        Shape → Gather → Concat → Reshape, on a fixed shape
    Result:
        Reshape by a constant
    """
    limit = _bytes(options.tensor_size_threshold)
    return context.edit(artifact, lambda model: method.simplify(model, limit))


def _bytes(words: str) -> int:
    number = words.rstrip("KMGB ")
    return int(float(number) * _UNITS[words.removeprefix(number).strip()])
