"""Several equal convolutions whose outputs are concatenated become one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.contract import Edit
from optkit.rewrite.graph import computed_by, constant, sole_user
from optkit.rewrite.replacing import add_constant, namer, replace

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def fuse(model: ir.Model, runtime: str | None = None) -> Edit:
    """Fuse every Concat of equal convolutions, in the bodies of If, Loop and Scan too.

    Args:
        model: edited in place.
        runtime: leave alone what was measured to lose in this runtime.
    """
    name = namer(model)
    changed, left = 0, Counter[str]()
    for graph in list(model.graphs()):
        for node in list(graph):
            if node.graph is None:
                continue
            convs = _convs(node)
            if not convs:
                continue
            reason = next(_obstacles(node, convs), None) or _loss(convs, runtime)
            if reason:
                left[reason] += 1
            else:
                _fuse(model, node, convs, name)
                changed += 1
    return Edit(changed, left)


def _convs(node: ir.Node) -> list[ir.Node]:
    """The convolutions that a Concat joins; none where it joins anything else too."""
    if node.op_type != "Concat" or node.domain not in {"", "ai.onnx"} or len(node.inputs) < 2:
        return []
    found = [computed_by(value, "Conv") for value in node.inputs]
    return [conv for conv in found if conv is not None] if None not in found else []


def _obstacles(concat: ir.Node, convs: Sequence[ir.Node]) -> Iterator[str]:
    """Why the convolutions must stay; each question stands on the answers before."""
    if any(conv.graph is not concat.graph for conv in convs):
        yield "the convolutions lie in another graph than their Concat"
    if any(sole_user(conv.outputs[0]) is not concat for conv in convs):
        yield "a convolution's output is read elsewhere too"
    if any(value and constant(value) is None for conv in convs for value in conv.inputs[1:]):
        yield "a weight or bias is not constant"
    if concat.attributes["axis"].as_int() not in {1, 1 - _weight(convs[0]).ndim}:
        yield "they are concatenated along another axis than the channels"
    settings = [_settings(conv) for conv in convs]
    if any(setting != settings[0] for setting in settings):
        yield "kernels, strides, pads, dilations or groups differ"
    if all(conv.inputs[0] is convs[0].inputs[0] for conv in convs):
        if settings[0]["group"] != 1:
            yield "grouped convolutions on one input"
    elif _divided(convs) is None:
        yield "the inputs are neither one value nor all its equal parts in order"
    elif any(_weight(conv).shape != _weight(convs[0]).shape for conv in convs):
        yield "the parts have unequal numbers of output channels"


def _loss(convs: Sequence[ir.Node], runtime: str | None) -> str | None:
    """Why a grouped convolution would be slower than its parts; None where it is not.

    Measured on one core with AVX-512, 2 to 32 parts, sizes of 14 to 56. ONNX Runtime pads 8 to 15
    channels to a block of 16 and stays in its fast layout, which a grouped convolution of as many
    leaves (0.5 to 0.96 times as fast). OpenVINO gains with few channels to a part (1.2 to 3.5
    times); with many, the parts fill the registers by themselves (0.7 to 1.2).
    """
    if all(conv.inputs[0] is convs[0].inputs[0] for conv in convs):
        return None
    weight = _weight(convs[0])
    outputs, inputs, *kernel = weight.shape
    channels = max(inputs, outputs // _settings(convs[0])["group"])
    total = channels * len(convs)
    if runtime == "onnxruntime" and channels >= 8 and channels % 16 and max(kernel) > 1:
        return f"{channels} channels to a part: slower as one in ONNX Runtime"
    if runtime == "openvino" and channels > 8 and not (channels == 16 and total < 256):
        return f"{channels} channels to each of {len(convs)} parts: no faster as one in OpenVINO"
    return None


def _fuse(
    model: ir.Model, concat: ir.Node, convs: Sequence[ir.Node], name: Callable[[str], str]
) -> None:
    import numpy as np
    import onnx_ir as ir

    stem = concat.outputs[0].name
    weight = np.concatenate([_weight(conv) for conv in convs])
    source, group = convs[0].inputs[0], 1
    if any(conv.inputs[0] is not source for conv in convs):
        source, group = _divided(convs), _settings(convs[0])["group"] * len(convs)
    inputs = [source, add_constant(model, name(f"{stem}_weight"), weight)]
    if any(_bias(conv) is not None for conv in convs):
        biases = [_bias(conv) for conv in convs]
        filled = [
            np.zeros(_weight(conv).shape[0], weight.dtype) if bias is None else bias
            for conv, bias in zip(convs, biases, strict=True)
        ]
        inputs.append(add_constant(model, name(f"{stem}_bias"), np.concatenate(filled)))
    others = [attribute for key, attribute in convs[0].attributes.items() if key != "group"]
    fused = ir.Node("", "Conv", inputs, [ir.AttrInt64("group", group), *others])
    replace(concat, [*convs, concat], [fused], concat.outputs, fused.outputs)


def _weight(conv: ir.Node) -> np.ndarray:
    weight = constant(conv.inputs[1])
    assert weight is not None
    return weight


def _bias(conv: ir.Node) -> np.ndarray | None:
    return constant(conv.inputs[2]) if len(conv.inputs) > 2 else None


def _settings(conv: ir.Node) -> dict[str, Any]:
    """A convolution's attributes with the defaults filled in, and the kernel it has."""
    kernel = _weight(conv).shape[1:]
    spatial = len(kernel) - 1
    given = {key: attribute.value for key, attribute in conv.attributes.items()}
    return {
        "group": given.get("group", 1),
        "auto_pad": given.get("auto_pad", "NOTSET"),
        "strides": tuple(given.get("strides", (1,) * spatial)),
        "pads": tuple(given.get("pads", (0,) * 2 * spatial)),
        "dilations": tuple(given.get("dilations", (1,) * spatial)),
        "kernel": kernel,
    }


def _divided(convs: Sequence[ir.Node]) -> ir.Value | None:
    """The value whose parts the convolutions read: equal ones along the channels, in order, all."""
    parts = [conv.inputs[0] for conv in convs]
    rank = _weight(convs[0]).ndim
    split = computed_by(parts[0], "Split")
    if split is not None:
        axis = split.attributes.get_int("axis", 0)
        return split.inputs[0] if axis in {1, 1 - rank} and parts == list(split.outputs) else None
    size = _weight(convs[0]).shape[1] * _settings(convs[0])["group"]
    slices = [node for part in parts if (node := computed_by(part, "Slice"))]
    if len(slices) < len(parts) or any(
        node.inputs[0] is not slices[0].inputs[0] for node in slices
    ):
        return None
    source, whole = slices[0].inputs[0], size * len(parts)
    total = _channels(source)
    found = [_bounds(node, rank, total) for node in slices]
    if any(bounds is None for bounds in found):
        return None
    flat = [bound for bounds in found if bounds for bound in bounds]
    # An end beyond the last part is cut at the value's own, which the kernel's size then tells.
    if flat[-1] > whole or total == whole:
        flat[-1] = min(flat[-1], whole)
        wanted = [size * index for place in range(len(parts)) for index in (place, place + 1)]
        return source if flat == wanted else None
    return None


def _channels(value: ir.Value | None) -> int | None:
    count = value.shape[1] if value and value.shape and len(value.shape) > 1 else None
    return count if isinstance(count, int) else None


def _bounds(node: ir.Node, rank: int, total: int | None) -> tuple[int, int] | None:
    """Begin and end of a Slice along the channels alone, with step 1."""
    arrays = [constant(value) for value in node.inputs[1:]]
    if len(arrays) < 3 or any(array is None or array.size != 1 for array in arrays):
        return None
    begin, end, axis, *step = [int(array.item()) for array in arrays if array is not None]
    if axis not in {1, 1 - rank} or step not in ([], [1]):
        return None
    begin, end = (bound + (total or 0) if bound < 0 else bound for bound in (begin, end))
    return begin, end
