"""ONNX operations on shapes, which are whole numbers in lists here, symbols among them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Attributes = Mapping[str, Any]


def is_known(value: Any) -> bool:
    """Whether a value is a shape or a number of one, and no tensor."""
    import torch

    return value is None or isinstance(value, (int, list, torch.SymInt))


def listed(value: Any) -> list[Any]:
    """A value of one or no axis as a list."""
    if isinstance(value, list):
        return value
    return value.reshape(-1).tolist() if hasattr(value, "reshape") else [value]


def _shape(attributes: Attributes, x: Any) -> list[Any]:
    return list(x.shape)[attributes.get("start", 0) : attributes.get("end")]


def _gather(attributes: Attributes, data: list[Any], index: Any) -> Any:
    del attributes
    return [data[at] for at in index] if isinstance(index, list) else data[index]


def _concat(attributes: Attributes, *parts: Any) -> list[Any]:
    del attributes
    return [item for part in parts for item in listed(part)]


def _slice(
    attributes: Attributes, data: list[Any], starts: Any = None, ends: Any = None,
    axes: Any = None, steps: Any = None,
) -> list[Any]:  # fmt: skip
    del axes
    first = listed(starts if starts is not None else attributes["starts"])[0]
    last = listed(ends if ends is not None else attributes["ends"])[0]
    return data[first : last : listed(steps)[0] if steps else 1]


def _unsqueeze(attributes: Attributes, x: Any, axes: Any = None) -> list[Any]:
    del attributes, axes
    return listed(x)


def _squeeze(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    del attributes, axes
    return listed(x)[0]


def _as_it_is(attributes: Attributes, x: Any) -> Any:
    del attributes
    return x


def _each(how: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def apply(attributes: Attributes, a: Any, b: Any) -> Any:
        del attributes
        if not isinstance(a, list) and not isinstance(b, list):
            return how(a, b)
        count = max(len(listed(a)), len(listed(b)))
        first, second = (
            item * count if len(item) == 1 else item for item in (listed(a), listed(b))
        )
        return [how(x, y) for x, y in zip(first, second, strict=True)]

    return apply


def _constant_of_shape(attributes: Attributes, shape: Any) -> Any:
    import torch

    value = listed(attributes.get("value", 0.0))[0]
    return torch.full(tuple(listed(shape)), value)


ON_SHAPES: dict[str, Callable[..., Any]] = {
    "Shape": _shape,
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Cast": _as_it_is,
    "Identity": _as_it_is,
    "Add": _each(operator.add),
    "Sub": _each(operator.sub),
    "Mul": _each(operator.mul),
    "Div": _each(operator.floordiv),
    "ConstantOfShape": _constant_of_shape,
}
"""By operation; where its inputs are shapes."""
