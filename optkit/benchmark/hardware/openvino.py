"""OpenVINO: its devices, what they can run, and networks that drive them to their peaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from optkit.benchmark.hardware.sampling import Work
from optkit.core.errors import root_cause
from optkit.core.machine import cores
from optkit.graphs.ir_core import shared_core

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_FOUND = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "i8": "int8", "u8": "int8"}
_WEIGHTED = {"fullyconnected", "fully_connected", "convolution", "matmul", "gemm"}
_PHYSICAL = ("CPU", "GPU", "NPU")
_COMBINE = {
    "AUTO": "picks the best device that is there, starting on the CPU meanwhile",
    "HETERO": "splits one network over devices in the order given: HETERO:GPU,CPU",
    "MULTI": "spreads inferences over several devices at once: MULTI:GPU,CPU",
    "BATCH": "gathers requests into batches for one device: BATCH:GPU(16)",
}


def describe() -> list[dict[str, Any]]:
    """Every device: those that are there, those that are missing, and what combines them."""
    core = shared_core()
    there = core.available_devices
    rows = [_device(core, device) for device in there]
    missing = {*_PHYSICAL} - {name.partition(".")[0] for name in there}
    rows += [
        {"device": device, "kind": "missing", "note": _absence(core, device)}
        for device in sorted(missing)
    ]
    for device, does in _COMBINE.items():
        try:
            core.get_property(device, "SUPPORTED_PROPERTIES")
            rows.append({"device": device, "kind": "virtual", "note": does})
        except RuntimeError as error:
            rows.append({"device": device, "kind": "missing", "note": root_cause(error)})
    return rows


def works(device: str, scale: float) -> Iterator[Work | dict[str, str]]:
    """Networks of large matrix products and convolutions in every precision the device claims.

    Where the compiled graph shows another precision than asked for, that is told instead.

    Args:
        device: OpenVINO's word.
        scale: of the networks' widths; 1 is large enough for a peak.
    """
    core = shared_core()
    on_cpu = device == "CPU"
    width = int((1024 if on_cpu else 4096) * scale)
    networks: tuple[Callable[..., tuple[Any, float]], ...] = (_products, _convolutions)
    for precision in _device(core, device)["precisions"]:
        for network in networks:
            model, operations = network(width, quantized=precision == "int8")
            for threads in sorted({1, cores()}) if on_cpu else (None,):
                compiled = core.compile_model(model, device, _config(precision, threads))
                kernel, computes = _kernel(compiled)
                if computes != precision:
                    yield {"precision": precision, "cause": f"{kernel} computes in {computes}"}
                    break
                yield Work(precision, threads, operations, _runner(compiled), kernel)


def _device(core: Any, device: str) -> dict[str, Any]:
    claims = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return {
        "device": device,
        "kind": "physical",
        "name": core.get_property(device, "FULL_DEVICE_NAME").strip(),
        "precisions": [name for name in _HINTS if name.upper() in claims],
        "claims": list(claims),
        "note": "",
    }


def _absence(core: Any, device: str) -> str:
    """Why a device is not there, as its plugin tells."""
    try:
        core.get_property(device, "FULL_DEVICE_NAME")
    except RuntimeError as error:
        cause = root_cause(error)
        if cause.startswith("Cannot load library"):
            return "its driver is not installed: " + cause.rpartition('": ')[2]
    return f"no {device} with a driver answers"


def _config(precision: str, threads: int | None) -> dict[str, Any]:
    hint = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
    if threads is None:
        return hint | {"PERFORMANCE_HINT": "THROUGHPUT"}
    # A stream to each core: nothing is lost by sharing one product among them.
    return hint | {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}


def _runner(compiled: Any) -> Callable[[int], None]:
    import numpy as np
    import openvino

    queue = openvino.AsyncInferQueue(compiled)
    shape = list(compiled.input(0).shape)
    values = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    for request in queue:
        request.set_input_tensor(0, openvino.Tensor(values))

    def run(times: int) -> None:
        for _ in range(times * len(queue)):
            queue.start_async()
        queue.wait_all()

    return run


def _kernel(compiled: Any) -> tuple[str, str]:
    """The kernels of the layers that carry weights, and the precision that they compute in."""
    kernels, found = set(), set()
    for node in compiled.get_runtime_model().get_ops():
        info = {key: value.astype(str) for key, value in node.get_rt_info().items()
                if key in {"layerType", "primitiveType", "runtimePrecision"}}  # fmt: skip
        if info.get("layerType", "").lower() in _WEIGHTED:
            kernel = info.get("primitiveType", "")
            last = kernel.rpartition("_")[2].lower()
            word = last if last in _FOUND else info.get("runtimePrecision", "").lower()
            kernels.add(kernel)
            found.add(_FOUND.get(word, word))
    return ", ".join(sorted(kernels)), ", ".join(sorted(found)) or "an unknown precision"


def _products(width: int, *, quantized: bool) -> tuple[Any, float]:
    """Two matrix products, and their operations: x (width / 4, width)."""
    import numpy as np
    import openvino
    from openvino import opset13 as ops

    rows, layers = width // 4, 2
    last = start = ops.parameter([rows, width], np.float32)
    for _ in range(layers):
        last, weights = _ends(last, (width, width), width, quantized)
        last = ops.matmul(last, weights, transpose_a=False, transpose_b=True)
    return openvino.Model([ops.result(last)], [start], "products"), layers * 2 * rows * width**2


def _convolutions(width: int, *, quantized: bool) -> tuple[Any, float]:
    """Three 3x3 convolutions without padding, and their operations: x (1, width / 4, 16, 16)."""
    import numpy as np
    import openvino
    from openvino import opset13 as ops

    channels, size, operations = width // 4, 16, 0.0
    last = start = ops.parameter([1, channels, size, size], np.float32)
    for _ in range(3):
        last, weights = _ends(last, (channels, channels, 3, 3), 9 * channels, quantized)
        last = ops.convolution(last, weights, [1, 1], [0, 0], [0, 0], [1, 1])
        size -= 2
        operations += 2 * size**2 * 9 * channels**2
    return openvino.Model([ops.result(last)], [start], "convolutions"), operations


def _ends(value: Any, shape: tuple[int, ...], terms: int, quantized: bool) -> tuple[Any, Any]:
    """A layer's input and weights, marked for INT8 if wanted; its output varies as its input."""
    import numpy as np
    from openvino import opset13 as ops

    weights = np.random.default_rng(0).standard_normal(shape, dtype=np.float32) / terms**0.5
    constant = ops.constant(weights.astype(np.float32))
    if not quantized:
        return value, constant
    return _quantize(value, 4.0, 256), _quantize(constant, float(np.abs(weights).max()), 255)


def _quantize(value: Any, bound: float, levels: int) -> Any:
    """The value on so many levels from about -bound to bound, zero among them."""
    import numpy as np
    from openvino import opset13 as ops

    high = bound * 127 / 128 if levels == 256 else bound
    ends = [np.float32(end) for end in (-bound, high, -bound, high)]
    return ops.fake_quantize(value, *ends, levels)
