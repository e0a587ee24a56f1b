"""Dimensions of an exported ONNX file, fixed and named as a signature has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.signature import Dim, Signature, TensorSpec

if TYPE_CHECKING:
    import onnx


def symbols(spec: TensorSpec, prefix: str = "") -> dict[int, str]:
    """Names for the dynamic dimensions of a tensor, by axis: `batch`, `dim_1`, ..."""
    return {
        axis: "batch" if axis == 0 else f"{prefix}dim_{axis}"
        for axis, dim in enumerate(spec.shape or ())
        if isinstance(dim, Dim)
    }


def match(path: Path, signature: Signature) -> None:
    """Fix what the signature fixes, name what it leaves open, drop what names this machine.

    Args:
        path: the ONNX file, changed in place; tensors kept outside it stay where they are.
        signature: its inputs, in the file's order.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    names: dict[str, str] = {}
    for spec, port in zip(signature.inputs, model.graph.input, strict=True):
        wanted = symbols(spec)
        dims = zip(spec.shape or (), port.type.tensor_type.shape.dim, strict=True)
        for axis, (dim, slot) in enumerate(dims):
            if isinstance(dim, int):
                slot.dim_value = dim
                continue
            taken = wanted[axis] in names.values()
            name = f"{spec.name}_dim_{axis}" if taken else wanted[axis]
            slot.dim_param = names.setdefault(slot.dim_param, name) if slot.dim_param else name
    _rename((*model.graph.output, *model.graph.value_info), names)
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.save(model, path)


def _rename(values: Iterable[onnx.ValueInfoProto], names: Mapping[str, str]) -> None:
    """Give symbols their new names, in expressions such as `2*s7` too."""
    for value in values:
        for slot in value.type.tensor_type.shape.dim:
            if slot.dim_param:
                slot.dim_param = re.sub(
                    r"[^\W\d]\w*", lambda match: names.get(match[0], match[0]), slot.dim_param
                )
