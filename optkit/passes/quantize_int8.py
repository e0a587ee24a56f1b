"""quantize_int8: weights and activations in 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import OptkitError, bad_input, root_cause


class IgnoredScope(BaseModel):
    """Operations that stay in floating point."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...] = Field((), description="names of operations")
    patterns: tuple[str, ...] = Field((), description="regular expressions of names")
    types: tuple[str, ...] = Field((), description="operation types, such as MatMul")


class Options(BaseModel):
    """Options of `quantize_int8`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["performance", "mixed"] = Field(
        "mixed", description="symmetric activations, or asymmetric where values are signed"
    )
    subset_size: int = Field(300, ge=1, description="calibration samples to use at most")
    model_type: Literal["auto", "cnn", "transformer"] = Field(
        "auto", description="what the network is; auto looks for attention"
    )
    fast_bias_correction: bool = Field(True, description="the quick bias correction, not the full")
    ignored_scope: IgnoredScope = Field(IgnoredScope(), description="what stays in floating point")


@transform(
    Options, takes=("ir", "onnx"), needs=("nncf", "openvino", "onnx", "onnxruntime"),
    precision="int8", after=("prune", "recover", "fuse_batchnorm", "simplify"), uses_data=True,
)  # fmt: skip
def quantize_int8(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Quantize weights and activations to 8 bits after training, by NNCF.

    Given:
        Conv(x, W) in float32
    Result:
        Conv(FakeQuantize(x), W as int8) in IR; QuantizeLinear → DequantizeLinear around both in
        ONNX (QDQ)

    Raises:
        OptkitError: `ignored_scope` names an operation that is not there.
    """
    import nncf

    from optkit.formats import ir, onnx

    format_ = ir if artifact.format == "ir" else onnx
    found = format_.summary(artifact).precision
    if not found:
        return unchanged("no operation that carries weights")
    if found.keys() <= {"int8"}:
        return unchanged("every operation that carries weights is in int8 already")
    model = format_.load(artifact)
    if artifact.format == "onnx":  # up to 3, what NNCF adds would have to be inputs of the graph
        model.ir_version = max(model.ir_version, 4)
    transformer = options.model_type == "transformer" or (
        options.model_type == "auto" and _has_attention(model)
    )
    samples = context.samples()
    used = min(len(samples), options.subset_size)
    scope = options.ignored_scope
    try:
        quantized = nncf.quantize(
            model,
            nncf.Dataset(samples, _counting(context, used)),
            preset=nncf.QuantizationPreset(options.preset),
            subset_size=used,
            fast_bias_correction=options.fast_bias_correction,
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            ignored_scope=nncf.IgnoredScope(
                names=list(scope.names), patterns=list(scope.patterns), types=list(scope.types)
            ),
        )
    except nncf.ValidationError as error:
        if scope == IgnoredScope():
            raise OptkitError(f"NNCF refuses the model: {root_cause(error)}") from error
        raise bad_input(
            f"quantize_int8: {root_cause(error)}", "mend ignored_scope in the recipe"
        ) from error
    path = context.output / format_.FILE
    format_.save(quantized, path)
    details = {"subset_size": used, "model_type": "transformer" if transformer else "cnn"}
    return Outcome(path, details=details)


def _counting(context: Context, used: int) -> Callable[[Any], dict[str, Any]]:
    """A transform for NNCF's data set that reports how far the first reading has come."""
    seen = count(1)

    def transform_sample(sample: Any) -> dict[str, Any]:
        context.progress(min(next(seen), used), used)
        return dict(sample)

    return transform_sample


def _has_attention(model: Any) -> bool:
    """Whether a softmax is multiplied with a matrix, or an operation is attention by name."""
    return _ir_attention(model) if hasattr(model, "get_ops") else _onnx_attention(model)


def _ir_attention(model: Any) -> bool:
    def feeds_matmul(node: Any) -> bool:
        users = [port.get_node() for out in node.outputs() for port in out.get_target_inputs()]
        kinds = {user.get_type_name() for user in users}
        return "MatMul" in kinds

    return any(
        op.get_type_name() == "ScaledDotProductAttention"
        or (op.get_type_name() == "Softmax" and feeds_matmul(op))
        for op in model.get_ops()
    )


def _onnx_attention(model: Any) -> bool:
    matmul_inputs = {
        name for node in model.graph.node if node.op_type == "MatMul" for name in node.input
    }
    return any(
        node.op_type == "Attention"
        or (node.op_type == "Softmax" and not matmul_inputs.isdisjoint(node.output))
        for node in model.graph.node
    )
