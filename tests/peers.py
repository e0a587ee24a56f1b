"""Shared by the claims about INT8: architectures, samples, and what other tools make of both."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import models
import numpy as np
import torch
from networks import IDS, bert, exported, mobilenet, resnet, vit
from quantizing import samples_of

from optkit.core.artifact import Artifact

FULL = {"resnet": resnet, "bert": bert, "mobilenet": mobilenet, "vit": vit}
TRANSFORMERS = {"bert", "vit", "transformer"}


def nncf_ways(name: str, model: Any, samples: Sequence[Any]) -> dict[str, Callable[[], Any]]:
    """What NNCF makes of a model by itself, and in the settings that a user may try next."""
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)
    kind = {"model_type": nncf.ModelType.TRANSFORMER} if name in TRANSFORMERS else {}
    advanced = nncf.AdvancedQuantizationParameters
    ways: dict[str, dict[str, Any]] = {
        "default": {},
        "no bias correction": {
            "advanced_parameters": advanced(disable_bias_correction=True)
        },
        "full bias correction": {"fast_bias_correction": False},
        "min/max": {
            "advanced_parameters": advanced(
                disable_bias_correction=True,
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            )
        },
        "performance": {"preset": nncf.QuantizationPreset.PERFORMANCE},
    }  # fmt: skip
    return {
        way: lambda more=more: nncf.quantize(
            model, nncf.Dataset(list(samples)), subset_size=len(samples), **kind, **more
        )
        for way, more in ways.items()
    }


def onnxruntime_qdq(source: Path, samples: Sequence[Any], path: Path) -> Path:
    """What ONNX Runtime's own tools make of an ONNX file, as its documents say: QDQ, U8S8."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> Any:
            return next(self.left, None)

    prepared = path.with_suffix(".prepared.onnx")
    logging.getLogger().setLevel(logging.ERROR)
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(path), Reader(), quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
    )  # fmt: skip
    return path


def saved(model: Any, folder: Path) -> Artifact:
    """A live OpenVINO model as a file."""
    from optkit.formats import ir

    path = Path(tempfile.mkdtemp(dir=folder)) / "model.xml"
    ir.save(model, path)
    return models.artifact("ir", path)


def live(model: Artifact) -> Any:
    """The other way."""
    from optkit.formats import ir

    return ir.load(model)


def inputs_of(name: str, count: int, batch: int = 1) -> list[dict[str, np.ndarray]]:
    """Inputs of an architecture, at random."""
    draw = np.random.default_rng(0)
    if name == "bert":
        ids = [draw.integers(0, 30000, (batch, 128)) for _ in range(count)]
        return [dict(zip(IDS, (row, np.ones_like(row), np.zeros_like(row)), strict=True))
                for row in ids]  # fmt: skip
    shape = (batch, 3, 224, 224)
    return [{"pixel_values": draw.standard_normal(shape, "float32")} for _ in range(count)]


def traced(name: str, folder: Path) -> Artifact:
    """An architecture as TorchScript, weights random."""
    network, example = FULL[name]("full")
    path = folder / f"{name}.pt"
    torch.jit.trace(network, example, strict=False).save(str(path))
    return models.artifact("torchscript", path)


def full(name: str, folder: Path, batch: int = 1) -> tuple[Artifact, Any]:
    """An architecture as IR, weights random, and 32 samples."""
    import openvino

    network, example = FULL[name]("full")
    example = _batched(example, batch)
    given = inputs_of(name, 32, batch)
    shapes = [list(array.shape) for array in given[0].values()]
    model = openvino.convert_model(
        torch.jit.trace(network, example, strict=False),
        example_input=example if len(example) > 1 else example[0], input=shapes,
    )  # fmt: skip
    for port, word in zip(model.inputs, given[0], strict=True):
        port.get_tensor().set_names({word})
        port.get_node().set_friendly_name(word)
    return saved(model, folder), samples_of(*given)


def full_onnx(name: str, folder: Path, batch: int = 1) -> Path:
    """The same architecture as ONNX."""
    network, example = FULL[name]("full")
    return exported((network, _batched(example, batch)), folder / f"{name}.onnx")


def _batched(example: tuple[torch.Tensor, ...], batch: int) -> tuple[torch.Tensor, ...]:
    return tuple(part.repeat(batch, *[1] * (part.ndim - 1)) for part in example)
