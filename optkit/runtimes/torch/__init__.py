"""PyTorch runs TorchScript, exported programs and modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, cast

from optkit.core.artifact import Artifact
from optkit.core.contract import Format, Session
from optkit.core.errors import bad_input
from optkit.core.refusals import (
    check_batch,
    check_counts,
    check_foreign,
    check_word,
    does_not_load,
)
from optkit.core.settings import Settings
from optkit.core.workers import HINTS, Share, resolved, shared_out, side_by_side
from optkit.runtimes.torch.modes import caller, check_mode

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

__all__ = ["NEEDS", "RUNS", "check_device", "devices", "open_session", "resolved"]

RUNS = ("torchscript", "exported", "module")
NEEDS = ("torch",)

_NAME = "PyTorch"
_DTYPES = {"bf16": "bfloat16", "f16": "float16"}


def devices() -> tuple[str, ...]:
    """`CPU`, and every CUDA device: `CUDA`, `CUDA:1` and so on."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ("CPU", *(f"CUDA:{at}" if at else "CUDA" for at in range(count)))


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        OptkitError: bad input, told with what there is.
    """
    check_word(_NAME, "device", device, devices())


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Load the model, move it to a device and make it ready in its mode.

    PyTorch has one number of threads for all that a thread of the process computes: it is set anew
    before each inference, and streams have their own.

    Raises:
        OptkitError: no such device, hint or mode, a format that the mode does not run, or a batch
            that the model cannot take (bad input); or the model cannot be loaded or compiled.
    """
    import torch

    _check(artifact, settings)
    share = shared_out(settings)
    threads = share.threads or torch.get_num_threads()
    torch.set_num_threads(threads)  # compiled code is made for this many
    device = torch.device(settings.device.lower())
    reader: Format = cast("Format", importlib.import_module(f"optkit.formats.{artifact.format}"))
    held = ExitStack()
    try:
        model = reader.load(artifact)
        call = caller(artifact, model, settings.mode, device, share.streams, held)
    except Exception as error:
        held.close()
        raise does_not_load(_NAME, artifact, settings, error) from error
    infer = _inferrer(call, artifact, device, threads, settings.infer_precision)
    lanes = min(share.streams, share.nireq)
    submit, end = side_by_side(lanes, share.nireq, lambda _: _on_own_stream(infer, device))
    held.callback(end)
    return Session(
        infer,
        lambda: _executed(reader, artifact, settings),
        _in_use(artifact, settings, share, threads),
        submit,
        share.nireq,
        held.close,
    )


def _check(artifact: Artifact, settings: Settings) -> None:
    check_counts(settings)
    check_device(settings.device)
    check_word(_NAME, "hint", settings.hint, HINTS)
    check_foreign(_NAME, settings, "graph_optimizations")
    check_mode(artifact, settings)
    if settings.pin:
        raise bad_input(
            "PyTorch binds threads to cores only for a whole process",
            "leave pin out, and set OMP_PROC_BIND=true before the start",
        )
    if artifact.format == "exported":  # the others do not say, and run what they can
        shapes = {spec.name: spec.shape for spec in artifact.signature.inputs}
        check_batch(artifact, shapes, settings.batch)


def _inferrer(
    call: Callable[[Sequence[Any]], Any],
    artifact: Artifact,
    device: Any,
    threads: int,
    precision: str,
) -> Callable[[Arrays], dict[str, np.ndarray]]:
    import torch

    from optkit.graphs.torch_outputs import flatten

    specs = artifact.signature.inputs
    # numpy has no bfloat16: such an input arrives as float32.
    casts = [torch.bfloat16 if spec.dtype == "bfloat16" else None for spec in specs]
    names = [spec.name for spec in artifact.signature.outputs]
    low = getattr(torch, _DTYPES[precision]) if precision in _DTYPES else None

    def lowered() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, low) if low else nullcontext()

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        torch.set_num_threads(threads)
        tensors = [
            torch.from_numpy(arrays[spec.name]).to(device, cast)
            for spec, cast in zip(specs, casts, strict=True)
        ]
        with torch.inference_mode(), lowered():
            found = flatten(call(tensors))
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        given = names if len(names) == len(found) else [name for name, _ in found]
        return {name: _numpy(tensor) for name, (_, tensor) in zip(given, found, strict=True)}

    return infer


def _on_own_stream(
    infer: Callable[[Arrays], dict[str, np.ndarray]], device: Any
) -> Callable[[Arrays], object]:
    """The inference on a CUDA stream of its own, else as it is."""
    import torch

    if device.type != "cuda":
        return infer
    stream = torch.cuda.Stream(device)

    def streamed(arrays: Arrays) -> object:
        with torch.cuda.stream(stream):
            return infer(arrays)

    return streamed


def _numpy(tensor: Any) -> np.ndarray:
    host = tensor.float() if tensor.is_floating_point() else tensor
    array: np.ndarray = host.cpu().numpy()
    return array


def _executed(reader: Format, artifact: Artifact, settings: Settings) -> dict[str, int]:
    """The layers as the file holds them: PyTorch keeps their precision, save where it casts."""
    counts = dict(reader.summary(artifact).precision)
    word = {"bf16": "bf16", "f16": "fp16"}.get(settings.infer_precision)
    if word and "fp32" in counts:
        counts[word] = counts.get(word, 0) + counts.pop("fp32")
    return counts


def _in_use(artifact: Artifact, settings: Settings, share: Share, threads: int) -> dict[str, Any]:
    return {
        "mode": settings.mode or ("torchscript" if artifact.format == "torchscript" else "eager"),
        "hint": settings.hint or "none",
        "streams": share.streams,
        "threads": threads * share.streams,
        "nireq": share.nireq,
        "batch": settings.batch,
        "infer_precision": settings.infer_precision,
    }
