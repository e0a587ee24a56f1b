"""PyTorch: its devices, what they can run, and matrix products that drive them to their peaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from optkit.benchmark.hardware.sampling import Work
from optkit.core.machine import machine

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "int8": "int8"}


def describe() -> list[dict[str, Any]]:
    """The processor, and every CUDA device or why there is none."""
    import torch

    rows = [_device("CPU", str(machine()["cpu"]), "")]
    if not torch.cuda.is_available():
        cause = (
            "an NVIDIA driver and device are missing, or too old for this build"
            if torch.version.cuda
            else f"this build of torch has no CUDA ({torch.__version__})"
        )
        return [*rows, {"device": "CUDA", "kind": "missing", "note": cause}]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        word = f"CUDA:{index}" if index else "CUDA"
        note = f"{about.total_memory / 1e9:.0f} GB, compute capability {about.major}.{about.minor}"
        rows.append(_device(word, about.name, note))
    return rows


def works(device: str, scale: float) -> Iterator[Work | dict[str, str]]:
    """A large matrix product in every precision that the CUDA device runs.

    Args:
        device: `CUDA`, or `CUDA:1`.
        scale: of the product's sides; 1 is large enough for a peak.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False  # fp32 is to mean fp32
    side = int(4096 * scale)
    for precision in _DTYPES:
        try:
            multiply = _product(device, precision, side)
            multiply()
        except Exception as error:
            cause = str(error).partition("\n")[0]
            yield {"precision": precision, "cause": cause}
            continue

        def run(times: int, multiply: Callable[[], Any] = multiply) -> None:
            for _ in range(times):
                multiply()
            torch.cuda.synchronize(device.lower())

        kernel = "torch._int_mm" if precision == "int8" else "torch.matmul"
        yield Work(precision, None, 2 * side**3, run, kernel)


def _device(device: str, name: str, note: str) -> dict[str, Any]:
    runs = []
    for precision in _DTYPES:
        with suppress(Exception):  # whatever it raises, it does not run that
            _product(device, precision, 64)()
            runs.append(precision)
    return {
        "device": device, "kind": "physical", "name": name, "precisions": runs, "note": note
    }  # fmt: skip


def _product(device: str, precision: str, side: int) -> Callable[[], Any]:
    import torch

    dtype = getattr(torch, _DTYPES[precision])
    left = torch.ones(side, side, device=device.lower()).to(dtype)
    right = left.clone().t()  # the layout that INT8 kernels want
    if precision == "int8":
        return lambda: torch._int_mm(left, right)
    return lambda: torch.matmul(left, right)
