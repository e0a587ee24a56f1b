"""Runs a live ONNX model over many samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

_MOST = 2**31 - 1
"""Bytes of a model that fits one message."""


def stream(
    model: Any,
    samples: Iterable[Arrays],
    visit: Callable[[int, list[np.ndarray]], None],
    *,
    rough: bool = False,  # noqa: ARG001  it has nothing rougher
) -> None:
    """Run a model on the processor, one sample after the other, each on all cores.

    Args:
        model: an `onnx.ModelProto`.
        samples: arrays by input name.
        visit: told of each sample in order: its index, and the outputs.
        rough: whether less than float32 will do; this runtime has nothing that is faster.
    """
    import tempfile
    from pathlib import Path

    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        given: Any = str(Path(folder) / "model.onnx")
        if model.ByteSize() < _MOST:
            given = model.SerializeToString()
        else:
            onnx.save_model(model, given, save_as_external_data=True, location="model.bin")
        session = onnxruntime.InferenceSession(given, options, ["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    for index, arrays in enumerate(samples):
        visit(index, session.run(None, {name: arrays[name] for name in names}))
