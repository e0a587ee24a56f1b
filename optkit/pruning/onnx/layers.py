"""ONNX operations in torch: those with weights, pooling and reductions."""

from __future__ import annotations

from typing import Any

from optkit.pruning.onnx.given import Attributes, Operation, aten, refuse
from optkit.pruning.onnx.shapes import listed


def _padded(attributes: Attributes, x: Any, *, value: float = 0.0) -> tuple[Any, Any]:
    """The input and the padding on both sides alike; padded beforehand where they differ."""
    import torch

    spatial = x.dim() - 2
    auto = attributes.get("auto_pad", "NOTSET")
    if auto not in {"NOTSET", "VALID", ""}:
        raise refuse(f"auto_pad {auto}")
    pads = list(attributes.get("pads", [0] * (2 * spatial)))
    left, right = pads[:spatial], pads[spatial:]
    if left == right:
        return x, left
    pairs = [side for at in reversed(range(spatial)) for side in (left[at], right[at])]
    return torch.nn.functional.pad(x, pairs, value=value), [0] * spatial


def _conv(attributes: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    import torch

    x, padding = _padded(attributes, x)
    spatial = x.dim() - 2
    run = getattr(torch.nn.functional, f"conv{spatial}d")
    return run(
        x, weight, bias, attributes.get("strides", [1] * spatial), padding,
        attributes.get("dilations", [1] * spatial), attributes.get("group", 1),
    )  # fmt: skip


def _conv_transpose(attributes: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    import torch

    spatial = x.dim() - 2
    pads = attributes.get("pads", [0] * (2 * spatial))
    if pads[:spatial] != pads[spatial:] or attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise refuse("a ConvTranspose padded unevenly")
    return getattr(torch.nn.functional, f"conv_transpose{spatial}d")(
        x, weight, bias, attributes.get("strides", [1] * spatial), pads[:spatial],
        attributes.get("output_padding", [0] * spatial), attributes.get("group", 1),
        attributes.get("dilations", [1] * spatial),
    )  # fmt: skip


def _gemm(attributes: Attributes, a: Any, b: Any, c: Any = None) -> Any:
    import torch

    a = a.t() if attributes.get("transA", 0) else a
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if attributes.get("transB", 0) and alpha == beta == 1 and (c is None or c.dim() == 1):
        return torch.nn.functional.linear(a, b, c)
    product = a @ (b.t() if attributes.get("transB", 0) else b)
    product = product if alpha == 1 else product * alpha
    return product if c is None else product + (c if beta == 1 else c * beta)


def _batch_norm(attributes: Attributes, x: Any, *vectors: Any) -> Any:
    import torch

    weight, bias, mean, variance = vectors
    return torch.nn.functional.batch_norm(
        x, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5)
    )


def _layer_norm(attributes: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    import torch

    shape = list(x.shape)[attributes.get("axis", -1) :]
    return torch.nn.functional.layer_norm(x, shape, weight, bias, attributes.get("epsilon", 1e-5))


def _pool(kind: str) -> Operation:
    def apply(attributes: Attributes, x: Any) -> Any:
        import torch

        spatial = x.dim() - 2
        kernel = attributes["kernel_shape"]
        strides = attributes.get("strides", [1] * spatial)
        ceil = bool(attributes.get("ceil_mode", 0))
        if kind == "max":
            x, padding = _padded(attributes, x, value=float("-inf"))
            dilation = attributes.get("dilations", [1] * spatial)
            run = getattr(torch.nn.functional, f"max_pool{spatial}d")
            return run(x, kernel, strides, padding, dilation, ceil)
        pads = attributes.get("pads", [0] * (2 * spatial))
        if pads[:spatial] != pads[spatial:] or "SAME" in attributes.get("auto_pad", ""):
            raise refuse("an AveragePool padded unevenly")
        counted = bool(attributes.get("count_include_pad", 0))
        run = getattr(torch.nn.functional, f"avg_pool{spatial}d")
        return run(x, kernel, strides, pads[:spatial], ceil, counted)

    return apply


def _global_pool(attributes: Attributes, x: Any) -> Any:
    del attributes
    return x.mean(dim=list(range(2, x.dim())), keepdim=True)


def _reduce(name: str) -> Operation:
    def apply(attributes: Attributes, x: Any, axes: Any = None) -> Any:
        chosen = attributes.get("axes") if axes is None else listed(axes)
        kept = bool(attributes.get("keepdims", 1))
        return getattr(x, name)(dim=chosen or list(range(x.dim())), keepdim=kept)

    return apply


LAYERS: dict[str, Operation] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": aten("matmul"),
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "MaxPool": _pool("max"), "AveragePool": _pool("average"), "GlobalAveragePool": _global_pool,
    "ReduceMean": _reduce("mean"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"),
}  # fmt: skip
"""By operation."""
