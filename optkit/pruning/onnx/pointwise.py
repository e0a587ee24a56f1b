"""ONNX operations in torch: those of each value by itself."""

from __future__ import annotations

from typing import Any

from optkit.pruning.onnx.given import Attributes, Operation, as_tensor, aten
from optkit.pruning.onnx.shapes import listed


def _clip(attributes: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    import torch

    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    return torch.clamp(x, *(item if item is None else _number(item) for item in (low, high)))


def _number(value: Any) -> Any:
    """What a constant holds; a tensor that is computed stays one."""
    return listed(value)[0] if isinstance(value, list) else value


def _cast(attributes: Attributes, x: Any) -> Any:
    import onnx
    import torch

    word = str(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    return as_tensor(x).to(getattr(torch, word))


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
    return torch.where(chosen, as_tensor(x), as_tensor(y))


POINTWISE: dict[str, Operation] = {
    "Cast": _cast,
    "Identity": _same, "Dropout": _same, "Where": _where, "Clip": _clip,
    "Softmax": _softmax, "Gelu": _gelu, "LeakyRelu": _leaky, "Elu": _elu, "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid, "HardSwish": _hard_swish, "Softplus": _softplus,
    "Relu": aten("relu"), "Sigmoid": aten("sigmoid"), "Tanh": aten("tanh"),
    "Erf": aten("erf"), "Sqrt": aten("sqrt"), "Exp": aten("exp"), "Log": aten("log"),
    "Neg": aten("neg"), "Abs": aten("abs"), "Reciprocal": aten("reciprocal"),
    "Floor": aten("floor"), "Not": aten("logical_not"), "IsNaN": aten("isnan"),
    "Sin": aten("sin"),
    "Cos": aten("cos"), "Add": aten("add"), "Sub": aten("sub"), "Mul": aten("mul"),
    "Div": aten("div"), "Pow": aten("pow"), "Equal": aten("eq"), "Less": aten("lt"),
    "Greater": aten("gt"), "GreaterOrEqual": aten("ge"), "LessOrEqual": aten("le"),
    "And": aten("logical_and"), "Or": aten("logical_or"), "Max": aten("maximum"),
    "Min": aten("minimum"),
}  # fmt: skip
"""By operation."""
