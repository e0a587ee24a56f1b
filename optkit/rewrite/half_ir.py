"""Find what half precision cannot hold in an OpenVINO graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.rewrite.half import misfit

if TYPE_CHECKING:
    import openvino


def float32_constants(model: openvino.Model) -> list[Any]:
    """The constants in single precision."""
    import openvino

    return [
        op
        for op in model.get_ops()
        if op.get_type_name() == "Constant" and op.get_element_type() == openvino.Type.f32
    ]


def unfit_constants(model: openvino.Model) -> dict[str, str]:
    """Names of float32 constants that half precision does not hold, with the reason."""
    found = {op.get_friendly_name(): misfit(op.data) for op in float32_constants(model)}
    return {name: why for name, why in found.items() if why}
