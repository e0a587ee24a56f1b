"""Runs a live OpenVINO model over many samples, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optkit.graphs.ir_core import shared_core

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


def stream(
    model: Any,
    samples: Iterable[Arrays],
    visit: Callable[[int, list[np.ndarray]], None],
    *,
    rough: bool = False,
) -> None:
    """Run a model on the processor, asynchronously, in float32 where it is not quantized.

    As many samples are under way as the processor has streams, and one waits its turn, so that no
    stream is idle while outputs are looked at; no more are held.

    Args:
        model: an `openvino.Model`.
        samples: arrays by input name.
        visit: told of each sample in order: its index, and the outputs; they hold until it returns.
        rough: in bfloat16 where the processor computes in it, which takes about half the time.
    """
    import numpy as np
    import openvino

    core = shared_core()
    fast = rough and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precision = "bf16" if fast else "f32"
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = core.compile_model(model, "CPU", settings)
    names = [(port.get_names(), port.get_node().get_friendly_name()) for port in compiled.inputs]
    most = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
    idle = [compiled.create_infer_request() for _ in range(most)]
    busy: deque[tuple[int, Any]] = deque()

    def finish() -> None:
        index, request = busy.popleft()
        request.wait()
        outputs = range(len(compiled.outputs))
        visit(index, [request.get_output_tensor(at).data for at in outputs])
        idle.append(request)

    for index, arrays in enumerate(samples):
        if not idle:
            finish()
        request = idle.pop()
        for at, (known, own) in enumerate(names):
            named = (arrays[name] for name in (*known, own) if name in arrays)
            array = next(named, None)
            if array is None:  # names are gone: the samples keep the inputs' order
                array = list(arrays.values())[at]
            tensor = openvino.Tensor(np.ascontiguousarray(array))
            request.set_input_tensor(at, tensor)
        request.start_async()
        busy.append((index, request))
    while busy:
        finish()
