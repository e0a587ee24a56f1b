"""What the readers of ONNX operations have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optkit.core.errors import OptkitError

Attributes = Mapping[str, Any]


Operation = Callable[..., Any]


def refuse(what: str) -> OptkitError:
    """That this cannot be read, with the way round it."""
    return OptkitError(
        f"{what} cannot be brought into torch",
        "prune before the conversion to ONNX: start from the torch network",
    )


def aten(name: str, **fixed: Any) -> Operation:
    """A function of tensors that torch has itself; the attributes stay unread."""

    def apply(attributes: Attributes, *given: Any) -> Any:
        import torch

        del attributes
        return getattr(torch, name)(*map(as_tensor, given), **fixed)

    return apply


def as_tensor(value: Any) -> Any:
    """A shape as a tensor; a tensor as it is."""
    import torch

    return torch.tensor(value) if isinstance(value, list) else value
