"""fold_preprocess: raw images in, the arithmetic before the network a part of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import bad_input
from optkit.core.preprocessing import Preprocessing
from optkit.core.signature import TensorSpec
from optkit.rewrite import preprocess

_FLOATS = ("float16", "float32", "float64")


class Options(BaseModel):
    """Options of `fold_preprocess`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    input: str | None = Field(
        None, description="the input that takes images; default: the only one"
    )
    scale: float = Field(1.0, gt=0, description="factor on the pixels, such as 0.00392156862745098")
    mean: tuple[float, ...] = Field(
        (0.0,), min_length=1, description="subtracted after scaling; one value, or one per channel"
    )
    std: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="divides last; one value, or one per channel"
    )
    channel_order: Literal["kept", "reversed"] = Field(
        "kept", description="reversed: images are BGR where the network takes RGB, or RGB for BGR"
    )
    layout: Literal["NCHW", "NHWC"] | None = Field(
        None, description="of the images; default: as the network takes them"
    )
    dtype: Literal["uint8", "float32"] | None = Field(
        None, description="of the images; default: as the network takes them"
    )


@transform(
    Options, takes=("onnx",), edits=("onnx",), needs=("onnx", "onnx-ir"), changes_signature=True,
)  # fmt: skip
def fold_preprocess(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Make mean, std, scale, channel order, layout and dtype of images a part of the network.

    x = (image · scale − mean) / std, both in the network's order of channels. What the first Convs
    can take goes into their weights and biases. Each use adds one more preprocessing. Samples go on
    being what the source takes: later passes, validation and benchmark feed the result the images
    that are nearest to them.

    Given:
        float32 NCHW x → Conv(W, b)
    Result:
        uint8 NHWC image → Transpose → Cast → Conv(W · scale/std, b − Σ W · mean/std); if the Conv
        is padded, with Add(−mean/scale) before it and b as it was

    Raises:
        OptkitError: no such input, or it is no floating-point image (bad input).
    """
    spec, layout, channels = _image(artifact, options)
    if spec.name in {item.name for item in artifact.signature.outputs}:
        return unchanged("the input is an output too")
    if {len(options.mean), len(options.std)} - {1, channels} or 0 in options.std:
        raise bad_input(
            f"mean {list(options.mean)} and std {list(options.std)} do not fit {channels} channels",
            f"give 1 or {channels} values each, std without 0",
        )
    mean, std = (
        values if len(values) == channels else values * channels
        for values in (options.mean, options.std)
    )
    wanted = options.layout or layout
    order = {"NCHW": (0, 2, 3, 1), "NHWC": (0, 3, 1, 2)}[wanted] if wanted != layout else None
    reverse = options.channel_order == "reversed"
    dtype = options.dtype or spec.dtype
    if (order, reverse, dtype) == (None, False, spec.dtype) and (
        all(options.scale == value for value in std) and not any(mean)
    ):
        return unchanged("the network takes such images already")
    step = Preprocessing(
        spec.name,
        factor=tuple(options.scale / value for value in std),
        shift=tuple(-m / s for m, s in zip(mean, std, strict=True)),
        axis=layout.index("C"),
        reverse=reverse,
        permutation=order,
        image=dtype or "",
        network=spec.dtype or "",
    )
    if not preprocess.in_range(step):
        raise bad_input(
            f"scale, mean and std leave the range of {spec.dtype}, which the input {spec} has",
            "check their units: pixels times scale, minus mean, over std",
        )
    outcome = context.edit(artifact, lambda model: preprocess.fold(model, step))
    shape = spec.shape
    if order is not None and shape is not None:
        shape = tuple(shape[order.index(axis)] for axis in range(4))
    new = replace(spec, shape=shape, dtype=dtype, layout=wanted)
    inputs = tuple(new if item == spec else item for item in artifact.signature.inputs)
    face = replace(artifact.signature, inputs=inputs)
    return replace(outcome, signature=face, preprocessing=step)


def _image(artifact: Artifact, options: Options) -> tuple[TensorSpec, str, int]:
    """The input that takes images, its layout, and its number of channels."""
    inputs = {spec.name: spec for spec in artifact.signature.inputs}
    if options.input is None and len(inputs) > 1:
        raise bad_input(
            f"the network takes {len(inputs)} inputs: {', '.join(inputs)}",
            f"say which takes images: fold_preprocess: {{input: {next(iter(inputs))}}}",
        )
    name = options.input or next(iter(inputs), "")
    if name not in inputs:
        raise bad_input(
            f"the network has no input '{name}'", f"it takes {', '.join(inputs) or 'none'}"
        )
    spec = inputs[name]
    shape = spec.shape or ()
    if len(shape) != 4 or spec.dtype not in _FLOATS:
        raise bad_input(
            f"the input {spec} takes no images: they have 4 dimensions and floating-point values",
            "name another input, or leave fold_preprocess out",
        )
    guesses = [word for word in ("NCHW", "NHWC") if shape[word.index("C")] in {1, 3, 4}]
    layout = spec.layout if spec.layout in {"NCHW", "NHWC"} else None
    if layout is None and len(guesses) == 1:
        layout = guesses[0]
    channels = shape[layout.index("C")] if layout else None
    if layout is None or not isinstance(channels, int):
        raise bad_input(
            f"cannot tell which dimension of the input {spec} has the channels",
            "declare it in the recipe: model: inputs: [{name: …, layout: NCHW}]",
        )
    return spec, layout, channels
