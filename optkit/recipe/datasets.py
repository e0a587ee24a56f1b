"""The `data` section of a recipe: samples to calibrate and to validate on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from optkit.recipe.words import Count, Number, Section, Text


def _square(value: object) -> object:
    return (value, value) if isinstance(value, int) else value


def _every_channel(value: object) -> object:
    return (value,) if isinstance(value, (int, float)) else value


Channels = Annotated[
    Annotated[tuple[Number, ...], Field(min_length=1)],
    BeforeValidator(_every_channel, json_schema_input_type=Number | tuple[Number, ...]),
]


class Dataset(Section):
    """Samples, and how images among them are prepared."""

    path: Text = Field(
        description=".npz, .npy, a folder of those or of images, relative to the recipe; "
        "or module:callable, which needs --trust-code"
    )
    labels: Text | None = Field(None, description="the key of the labels in an .npz")
    metric: Text | None = Field(None, description="the task metric, such as accuracy")
    output: Text | None = Field(None, description="the output that the metric looks at")
    resize: (
        Annotated[
            tuple[Count, Count],
            BeforeValidator(_square, json_schema_input_type=Count | tuple[Count, Count]),
        ]
        | None
    ) = Field(None, description="images: [height, width] to resize to, or one side for both")
    mean: Channels | None = Field(
        None, description="images: subtracted from each channel after scaling"
    )
    std: Channels | None = Field(
        None, description="images: what each channel is divided by after the mean"
    )
    layout: Literal["NCHW", "NHWC"] | None = Field(
        None, description="images: the order of dimensions"
    )
    scale: Number | None = Field(
        None, description="images: what pixels of 0 to 255 are multiplied by"
    )


class Data(Section):
    """What calibration and validation run on; synthesised where it is missing."""

    calibration: Dataset | None = Field(
        None,
        description="samples that ranges are taken from; without a validation set, the last fifth "
        "is held back for it",
    )
    validation: Dataset | None = Field(
        None, description="samples that the artifacts are compared with the reference on"
    )
