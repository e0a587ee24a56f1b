"""What PyTorch's operators cost, as its profiler records them: those of equal shapes are one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.benchmark.profiling import Operation, Probe
from optkit.benchmark.profiling.torch_events import Call, operators, products, trees
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings
from optkit.runtimes.torch import open_session

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

_WORDS = {"float": "fp32", "c10::Half": "fp16", "c10::BFloat16": "bf16", "double": "fp64",
          "c10::qint8": "int8", "c10::quint8": "int8", "signed char": "int8",
          "unsigned char": "int8", "long int": "int64", "int": "int32"}  # fmt: skip
_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "fp64": 8, "int8": 1, "int64": 8, "int32": 4, "bool": 1}
# These give another view of the same memory, or none at all.
_VIEWS = frozenset({
    "view", "t", "transpose", "expand", "as_strided", "flatten", "unsqueeze", "squeeze", "permute",
    "slice", "select", "detach", "alias", "empty", "unflatten", "split", "chunk", "expand_as",
})  # fmt: skip
_TABLES = frozenset({"embedding", "index_select"})


def probe(artifact: Artifact, settings: Settings, arrays: Arrays) -> Probe:  # noqa: ARG001
    """The model loaded as it is; its operators tell the shapes, `arrays` is not read.

    Raises:
        OptkitError: as `open_session`.
    """
    from torch.profiler import ProfilerActivity, profile

    if settings.mode in {"compile", "aot"}:
        from torch._inductor import config

        config.cpp.enable_kernel_profile = True  # else fused kernels go by unseen
    session = open_session(artifact, settings)
    on_device = settings.device != "CPU"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    recorder = profile(activities=activities, record_shapes=True)
    done = 0

    def counted(given: Arrays) -> object:
        nonlocal done
        done += 1
        return session.infer(given)

    def start() -> None:
        nonlocal done
        done = 0
        recorder.__enter__()

    def stop() -> list[Operation]:
        recorder.__exit__(None, None, None)
        return _operations(recorder.profiler.kineto_results.events(), max(1, done), on_device)

    return Probe(counted, start, stop, session.close)


def _operations(events: Sequence[Any], inferences: int, on_device: bool) -> list[Operation]:
    started = [event for event in events if str(event.device_type()) != "DeviceType.CPU"]
    spent: dict[int, int] = {}
    for event in started:
        link = event.linked_correlation_id()
        spent[link] = spent.get(link, 0) + event.duration_ns()
    host = [event for event in events if str(event.device_type()) == "DeviceType.CPU"]
    alike: dict[tuple[str, str], list[Call]] = {}
    for call in operators(trees(host)):
        alike.setdefault((call.name, _shapes(call)), []).append(call)
    found = []
    for (name, shapes), calls in alike.items():
        ns = sum(_on_device(call, spent) if on_device else call.end - call.start for call in calls)
        kind = name.rpartition("::")[2]
        flops, moved, precision = _work(calls[0], kind)
        found.append(
            Operation(
                f"{kind} {shapes}".strip(),
                "fused" if "cpp_fused" in name else kind,
                precision,
                _kernel(calls[0]),
                ns / 1e6 / inferences,
                None if flops is None else round(flops * len(calls) / inferences),
                None if moved is None else round(moved * len(calls) / inferences),
                max(1, round(len(calls) / inferences)),
            )
        )
    return [operation for operation in found if operation.ms]


def _on_device(call: Call, spent: Mapping[int, int]) -> int:
    """Nanoseconds of what a call, and those below it, started there."""
    return spent.get(call.correlation, 0) + sum(_on_device(one, spent) for one in call.calls)


def _work(call: Call, kind: str) -> tuple[int | None, int | None, str]:
    """FLOPs, bytes and precision of one call.

    What an operator gives is not recorded: without products it is taken to be as large as the
    largest tensor that it reads.
    """
    done = products(call)
    tensors = call.tensors
    precision = _word(done[-1].dtype if done else tensors[0][0] if tensors else "")
    if not tensors:  # a fused kernel, or one whose arguments are packed away
        return None, None, precision
    if kind in _VIEWS:
        return 0, 0, precision
    read = [_width(dtype) * math.prod(shape) for dtype, shape in tensors]
    if kind in _TABLES and len(tensors) > 1:
        rows = math.prod(tensors[1][1]) * math.prod(tensors[0][1][1:])
        read[0] = min(read[0], rows * _width(tensors[0][0]))
    written = done[-1].values * _width(done[-1].dtype) if done else max(read)
    return sum(product.flops for product in done), sum(read) + written, precision


def _word(dtype: str) -> str:
    return _WORDS.get(dtype, dtype)


def _width(dtype: str) -> int:
    return _BYTES.get(_word(dtype), 4)


def _shapes(call: Call) -> str:
    return ", ".join("x".join(map(str, shape)) for _, shape in call.tensors)


def _kernel(call: Call) -> str:
    """The innermost call that most of the time goes into."""
    while call.calls:
        longest = max(call.calls, key=lambda one: one.end - one.start)
        if 2 * (longest.end - longest.start) < call.end - call.start:
            break
        call = longest
    return call.name.rpartition("::")[2]
