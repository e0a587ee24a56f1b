"""Store the weights of an OpenVINO graph in half precision, but where it cannot hold them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from optkit.core.signature import Signature
from optkit.graphs.ir_graph import walk
from optkit.rewrite.half import misfit

if TYPE_CHECKING:
    import openvino


def float32_constants(model: openvino.Model) -> list[Any]:
    """The constants in single precision, those of bodies too."""
    import openvino

    return [
        op
        for op in walk(model)
        if op.get_type_name() == "Constant" and op.get_element_type() == openvino.Type.f32
    ]


def unfit_constants(model: openvino.Model) -> dict[str, str]:
    """Names of float32 constants that half precision does not hold, with the reason."""
    found = {op.get_friendly_name(): misfit(op.data) for op in float32_constants(model)}
    return {name: why for name, why in found.items() if why}


def lower_weights(model: openvino.Model, kept: Collection[str]) -> int:
    """Make float32 constants float16, widened where they are read; edits in place.

    Constants that steer shapes stay as they are.

    Args:
        model: the model.
        kept: names of constants that stay float32, and of operations whose constants do.

    Returns:
        How many became float16.
    """
    from openvino._offline_transformations import compress_model_transformation

    # OpenVINO marks what it widens, so that a device may compute with the float16 constant itself;
    # Python can set no such mark. It clamps what leaves the range: that is undone.
    wide = [
        (op, port)
        for op in float32_constants(model)
        for port in op.output(0).get_target_inputs()
        if op.get_friendly_name() in kept or port.get_node().get_friendly_name() in kept
    ]
    before = len(float32_constants(model))
    compress_model_transformation(model)
    for op, port in wide:
        port.replace_source_output(op.output(0))
    return before - len(float32_constants(model))


def halve_ends(model: openvino.Model, face: Signature) -> Any:
    """The model with those ends in float16 that a signature of the same order says."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    for port, spec in zip(model.outputs, face.outputs, strict=True):
        if not port.get_names():  # it is known by the operation's name, and gets another operation
            port.get_tensor().set_names({spec.name})
    ends = PrePostProcessor(model)
    for specs, end in ((face.inputs, ends.input), (face.outputs, ends.output)):
        for i, spec in enumerate(specs):
            if spec.dtype == "float16":
                end(i).tensor().set_element_type(openvino.Type.f16)
    return ends.build()
