"""ONNX operations in torch: functions from attributes and inputs to what the operation gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optkit.core.errors import OptkitError
from optkit.pruning.onnx.shapes import listed

Attributes = Mapping[str, Any]
Operation = Callable[..., Any]


def _refuse(what: str) -> OptkitError:
    return OptkitError(
        f"{what} cannot be brought into torch",
        "prune before the conversion to ONNX: start from the torch network",
    )


def _aten(name: str, **fixed: Any) -> Operation:
    """A function of tensors that torch has itself; the attributes stay unread."""

    def apply(attributes: Attributes, *given: Any) -> Any:
        import torch

        del attributes
        return getattr(torch, name)(*map(_as_tensor, given), **fixed)

    return apply


def _as_tensor(value: Any) -> Any:
    import torch

    return torch.tensor(value) if isinstance(value, list) else value


def _padded(attributes: Attributes, x: Any, *, value: float = 0.0) -> tuple[Any, Any]:
    """The input and the padding on both sides alike; padded beforehand where they differ."""
    import torch

    spatial = x.dim() - 2
    auto = attributes.get("auto_pad", "NOTSET")
    if auto not in {"NOTSET", "VALID", ""}:
        raise _refuse(f"auto_pad {auto}")
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
        raise _refuse("a ConvTranspose padded unevenly")
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
            raise _refuse("an AveragePool padded unevenly")
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


def _reshape(attributes: Attributes, x: Any, shape: Any) -> Any:
    sizes = listed(shape)
    if not attributes.get("allowzero", 0):
        sizes = [
            x.shape[at] if isinstance(size, int) and size == 0 else size
            for at, size in enumerate(sizes)
        ]
    return x.reshape(sizes)


def _flatten(attributes: Attributes, x: Any) -> Any:
    at = attributes.get("axis", 1)
    if at == 1:
        return x.flatten(1)
    at = at + x.dim() if at < 0 else at
    return x.flatten(at).flatten(0, at - 1) if at else x.reshape(1, -1)


def _transpose(attributes: Attributes, x: Any) -> Any:
    return x.permute(attributes.get("perm", list(reversed(range(x.dim())))))


def _concat(attributes: Attributes, *parts: Any) -> Any:
    import torch

    return torch.cat([_as_tensor(part) for part in parts], attributes["axis"])


def _split(attributes: Attributes, x: Any, sizes: Any = None) -> Any:
    at = attributes.get("axis", 0)
    sizes = attributes.get("split") if sizes is None else listed(sizes)
    if sizes is None:
        return tuple(x.chunk(attributes["num_outputs"], at))
    return tuple(x.split(sizes, at))


def _slice(
    attributes: Attributes, x: Any, starts: Any = None, ends: Any = None, axes: Any = None,
    steps: Any = None,
) -> Any:  # fmt: skip
    starts = listed(attributes["starts"] if starts is None else starts)
    ends = listed(attributes["ends"] if ends is None else ends)
    given = attributes.get("axes") if axes is None else axes
    chosen = listed(given) if given is not None else list(range(len(starts)))
    strides = [1] * len(starts) if steps is None else listed(steps)
    for at, start, end, stride in zip(chosen, starts, ends, strides, strict=True):
        if stride < 0:
            raise _refuse("a Slice that runs backwards")
        index = [slice(None)] * x.dim()
        index[at] = slice(start, end, stride)
        x = x[tuple(index)]
    return x


def _unsqueeze(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    chosen = listed(attributes["axes"] if axes is None else axes)
    rank = x.dim() + len(chosen)
    for at in sorted(at + rank if at < 0 else at for at in chosen):
        x = x.unsqueeze(at)
    return x


def _squeeze(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    chosen = attributes.get("axes") if axes is None else listed(axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _gather(attributes: Attributes, x: Any, index: Any) -> Any:
    import torch

    at = attributes.get("axis", 0)
    if isinstance(index, int):
        return x.select(at, index)
    index = _as_tensor(index)
    if at == 0 and x.dim() == 2:
        return torch.nn.functional.embedding(index, x)
    flat = x.index_select(at, index.reshape(-1))
    at = at + x.dim() if at < 0 else at
    return flat.reshape(*x.shape[:at], *index.shape, *x.shape[at + 1 :])


def _gather_nd(attributes: Attributes, x: Any, index: Any) -> Any:
    if attributes.get("batch_dims", 0):
        raise _refuse("a GatherND with batch_dims")
    return x[tuple(_as_tensor(index).unbind(-1))]


def _clip(attributes: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    import torch

    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    return torch.clamp(x, *(item if item is None else _number(item) for item in (low, high)))


def _number(value: Any) -> Any:
    """What a constant holds; a tensor that is computed stays one."""
    return listed(value)[0] if isinstance(value, list) else value


def _pad(attributes: Attributes, x: Any, pads: Any = None, value: Any = None, axes: Any = None
         ) -> Any:  # fmt: skip
    import torch

    mode = attributes.get("mode", "constant")
    sizes = listed(attributes["pads"] if pads is None else pads)
    if mode != "constant" or axes is not None:
        raise _refuse(f"a Pad of mode {mode}, or along chosen axes")
    rank = x.dim()
    pairs = [side for at in reversed(range(rank)) for side in (sizes[at], sizes[at + rank])]
    fill = 0.0 if value is None else float(listed(value)[0])
    return torch.nn.functional.pad(x, pairs, value=fill)


def _resize(attributes: Attributes, x: Any, _roi: Any = None, scales: Any = None,
            sizes: Any = None) -> Any:  # fmt: skip
    import torch

    way = (
        attributes.get("mode", "nearest"),
        attributes.get("coordinate_transformation_mode", "half_pixel"),
    )
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    known = {("nearest", "asymmetric"): "nearest", ("linear", "half_pixel"): "bilinear",
             ("linear", "pytorch_half_pixel"): "bilinear"}  # fmt: skip
    if way not in known or x.dim() != 4 or (way[0] == "nearest" and rounding != "floor"):
        raise _refuse(f"a Resize of mode {way[0]}, {way[1]}")
    if sizes is not None:
        return torch.nn.functional.interpolate(x, size=listed(sizes)[2:], mode=known[way])
    factors = [float(item) for item in scales[2:]]
    return torch.nn.functional.interpolate(x, scale_factor=factors, mode=known[way])


def _cast(attributes: Attributes, x: Any) -> Any:
    import onnx
    import torch

    word = str(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    return _as_tensor(x).to(getattr(torch, word))


def _expand(attributes: Attributes, x: Any, shape: Any) -> Any:
    import torch

    del attributes
    sizes = listed(shape)
    rank = max(len(sizes), x.dim())
    own, wanted = [1] * (rank - x.dim()) + list(x.shape), [1] * (rank - len(sizes)) + sizes
    full = [a if isinstance(b, int) and b == 1 else b for a, b in zip(own, wanted, strict=True)]
    return torch.broadcast_to(x, full)


def _softmax(attributes: Attributes, x: Any) -> Any:
    return x.softmax(attributes.get("axis", -1))


def _gelu(attributes: Attributes, x: Any) -> Any:
    import torch

    return torch.nn.functional.gelu(x, approximate=attributes.get("approximate", "none"))


def _leaky(attributes: Attributes, x: Any) -> Any:
    import torch

    return torch.nn.functional.leaky_relu(x, attributes.get("alpha", 0.01))


def _elu(attributes: Attributes, x: Any) -> Any:
    import torch

    return torch.nn.functional.elu(x, attributes.get("alpha", 1.0))


def _hard_sigmoid(attributes: Attributes, x: Any) -> Any:
    return (x * attributes.get("alpha", 0.2) + attributes.get("beta", 0.5)).clamp(0.0, 1.0)


def _hard_swish(attributes: Attributes, x: Any) -> Any:
    import torch

    del attributes
    return torch.nn.functional.hardswish(x)


def _softplus(attributes: Attributes, x: Any) -> Any:
    import torch

    del attributes
    return torch.nn.functional.softplus(x)


def _prelu(attributes: Attributes, x: Any, slope: Any) -> Any:
    import torch

    del attributes
    return torch.where(x > 0, x, x * slope)


def _same(attributes: Attributes, x: Any, *_: Any) -> Any:
    del attributes
    return x


def _where(attributes: Attributes, chosen: Any, x: Any, y: Any) -> Any:
    import torch

    del attributes
    return torch.where(chosen, _as_tensor(x), _as_tensor(y))


OPERATIONS: dict[str, Operation] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _aten("matmul"),
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "MaxPool": _pool("max"), "AveragePool": _pool("average"), "GlobalAveragePool": _global_pool,
    "ReduceMean": _reduce("mean"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"),
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Concat": _concat,
    "Split": _split, "Slice": _slice, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze,
    "Gather": _gather, "GatherND": _gather_nd, "Expand": _expand, "Pad": _pad, "Resize": _resize,
    "Cast": _cast,
    "Identity": _same, "Dropout": _same, "Where": _where, "Clip": _clip,
    "Softmax": _softmax, "Gelu": _gelu, "LeakyRelu": _leaky, "Elu": _elu, "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid, "HardSwish": _hard_swish, "Softplus": _softplus,
    "Relu": _aten("relu"), "Sigmoid": _aten("sigmoid"), "Tanh": _aten("tanh"),
    "Erf": _aten("erf"), "Sqrt": _aten("sqrt"), "Exp": _aten("exp"), "Log": _aten("log"),
    "Neg": _aten("neg"), "Abs": _aten("abs"), "Reciprocal": _aten("reciprocal"),
    "Floor": _aten("floor"), "Not": _aten("logical_not"), "IsNaN": _aten("isnan"),
    "Sin": _aten("sin"),
    "Cos": _aten("cos"), "Add": _aten("add"), "Sub": _aten("sub"), "Mul": _aten("mul"),
    "Div": _aten("div"), "Pow": _aten("pow"), "Equal": _aten("eq"), "Less": _aten("lt"),
    "Greater": _aten("gt"), "GreaterOrEqual": _aten("ge"), "LessOrEqual": _aten("le"),
    "And": _aten("logical_and"), "Or": _aten("logical_or"), "Max": _aten("maximum"),
    "Min": _aten("minimum"),
}  # fmt: skip
"""By operation; where its inputs are tensors."""
