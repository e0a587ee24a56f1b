"""ONNX Runtime runs ONNX."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, bad_input
from optkit.core.refusals import (
    check_batch,
    check_counts,
    check_foreign,
    check_word,
    does_not_load,
)
from optkit.core.settings import Settings
from optkit.core.signature import Dim, Shape
from optkit.core.workers import HINTS, Share, resolved, shared_out, side_by_side
from optkit.graphs.onnx_executed import executed

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

__all__ = ["NEEDS", "RUNS", "check_device", "devices", "open_session", "open_traced", "resolved"]

RUNS = ("onnx",)
NEEDS = ("onnxruntime",)

_NAME = "ONNX Runtime"
_SUFFIX = "ExecutionProvider"
_REMOTE = frozenset({"AZURE"})


def devices() -> tuple[str, ...]:
    """`CPU`, and a word for each further provider of this build, such as `CUDA`."""
    return tuple(sorted(_providers(), key=lambda word: (word != "CPU", word)))


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        OptkitError: bad input, told with what there is.
    """
    check_word(_NAME, "device", device, devices())


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Load and optimize the graph for a device.

    Streams are the threads that call: each has a thread pool of its own, unless one thread is all
    that it gets.

    Raises:
        OptkitError: no such device, hint or precision, more threads to bind than cores, or a batch
            that the model cannot take (bad input); or the device refuses the model.
    """
    check_counts(settings)
    check_device(settings.device)
    check_word(_NAME, "hint", settings.hint, HINTS)
    check_foreign(_NAME, settings, "mode")
    if settings.infer_precision != "f32":
        raise bad_input(
            f"ONNX Runtime computes in the model's own precision, not in "
            f"{settings.infer_precision} by a setting",
            "convert the model itself: --precision fp16",
        )
    share = shared_out(settings)
    cores = _cores(settings, share)
    alone = share.streams == 1 or share.threads == 1
    first = _open(artifact, settings, share, cores[0])
    _check_shapes(artifact, first, settings.batch)
    rest = [] if alone else [_open(artifact, settings, share, own) for own in cores[1:]]
    infers = [_inferrer(artifact, session) for session in (first, *rest)]

    def enter(lane: int) -> Callable[[Arrays], object]:
        if cores[lane]:  # the thread that calls is one of those that compute
            os.sched_setaffinity(0, cores[lane][:1])
        return infers[0 if alone else lane]

    lanes = min(share.streams, share.nireq)
    submit, close = side_by_side(lanes, share.nireq, enter)
    return Session(
        infers[0],
        lambda: _executed(artifact, settings),
        _in_use(first, settings, share),
        submit,
        share.nireq,
        close,
    )


def open_traced(
    artifact: Artifact, settings: Settings, folder: Path
) -> tuple[Callable[[Arrays], dict[str, np.ndarray]], Callable[[], Path]]:
    """The model loaded so that ONNX Runtime traces every node.

    Args:
        artifact: the model.
        settings: as in `open_session`.
        folder: takes the trace, and the optimized graph as `optimized.onnx`.

    Returns:
        Its inference, and what ends the trace and gives its file.

    Raises:
        OptkitError: as `open_session`.
    """
    share = shared_out(settings)
    cores = _cores(settings, share)[0]
    session = _open(artifact, settings, share, cores, folder / "optimized.onnx", traced=True)
    return _inferrer(artifact, session), lambda: Path(session.end_profiling())


def _providers() -> dict[str, str]:
    """The providers of this build, by device word; none that computes elsewhere."""
    import onnxruntime

    words = {
        name.removesuffix(_SUFFIX).upper(): name for name in onnxruntime.get_available_providers()
    }
    return {word: name for word, name in words.items() if word not in _REMOTE}


def _cores(settings: Settings, share: Share) -> list[list[int]]:
    """The cores that each stream is bound to; none where it is not bound.

    Raises:
        OptkitError: there are fewer cores than threads, or no processor computes (bad input).
    """
    if not settings.pin:
        return [[]] * share.streams
    own = sorted(os.sched_getaffinity(0))
    each = share.threads or len(own)
    if settings.device != "CPU":
        raise bad_input(f"{_NAME} binds no threads to cores on {settings.device}", "leave pin out")
    if each * share.streams > len(own):
        raise bad_input(
            f"cannot bind {each * share.streams} threads to {len(own)} cores",
            f"use at most {len(own)} threads, or leave pin out",
        )
    return [own[at * each : (at + 1) * each] for at in range(share.streams)]


def _check_shapes(artifact: Artifact, session: Any, batch: int) -> None:
    declared = {spec.name: spec.shape for spec in artifact.signature.inputs}

    def shape(port: Any) -> Shape | None:
        told = declared.get(port.name) or ()
        sizes = [
            size if isinstance(size, int) else told[axis] if axis < len(told) else Dim()
            for axis, size in enumerate(port.shape)
        ]
        if sizes and not isinstance(port.shape[0], int) and not isinstance(sizes[0], Dim):
            sizes[0] = Dim()  # open in the file, whatever was declared
        return tuple(sizes)

    check_batch(artifact, {port.name: shape(port) for port in session.get_inputs()}, batch)


def _inferrer(artifact: Artifact, session: Any) -> Callable[[Arrays], dict[str, np.ndarray]]:
    names = [spec.name for spec in artifact.signature.inputs]
    # half inputs are fed from the same samples as those of the float32 model
    half = {port.name for port in session.get_inputs() if port.type == "tensor(float16)"}
    outputs = [output.name for output in session.get_outputs()]
    signature = [spec.name for spec in artifact.signature.outputs]
    wanted = signature if set(signature) == set(outputs) else outputs

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        feed = {
            name: arrays[name].astype("float16", copy=False) if name in half else arrays[name]
            for name in names
        }
        values = session.run(wanted, feed)
        return {name: _float32(value) for name, value in zip(wanted, values, strict=True)}

    return infer


def _float32(value: np.ndarray) -> np.ndarray:
    import numpy as np

    return value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value


def _open(
    artifact: Artifact,
    settings: Settings,
    share: Share,
    cores: list[int],
    save_to: Path | None = None,
    *,
    traced: bool = False,
) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    entry = options.add_session_config_entry
    threads = share.threads or len(cores)
    if threads:
        options.intra_op_num_threads = threads
    elif settings.pin is False:  # by its own choice it binds its threads
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
    if len(cores) > 1:  # ours are counted from 0, theirs from 1; the caller's thread is not theirs
        entry("session.intra_op_thread_affinities", ";".join(str(core + 1) for core in cores[1:]))
    if share.streams > 1:
        entry("session.intra_op.allow_spinning", "0")
    if settings.device != "CPU":
        entry("session.record_ep_graph_assignment_info", "1")
    if not settings.graph_optimizations:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save_to is not None:
        _keep(options, save_to, traced=traced)
    provider = _providers()[settings.device]
    try:
        session = onnxruntime.InferenceSession(str(artifact.path), options, providers=[provider])
    except Exception as error:
        raise does_not_load(_NAME, artifact, settings, error) from error
    if provider not in session.get_providers():  # it goes on with the processor, with a warning
        raise OptkitError(
            f"ONNX Runtime cannot start {provider}",
            f"install what it needs: https://onnxruntime.ai/docs/execution-providers/, "
            f"or use one of {', '.join(devices())}",
        )
    return session


def _keep(options: Any, graph: Path, *, traced: bool) -> None:
    """Have the optimized graph written, its weights beside it, and a trace if wanted."""
    entry = options.add_session_config_entry
    options.optimized_model_filepath = str(graph)
    entry("session.optimized_model_external_initializers_file_name", "weights")
    entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    if traced:
        options.enable_profiling = True
        options.profile_file_prefix = str(graph.with_name("trace"))


def _in_use(session: Any, settings: Settings, share: Share) -> dict[str, Any]:
    threads = session.get_session_options().intra_op_num_threads
    used: dict[str, Any] = {
        "hint": settings.hint or "none",
        "streams": share.streams,
        "threads": threads * share.streams or "default",
        "nireq": share.nireq,
        "batch": settings.batch,
        "infer_precision": "f32",
        "pin": settings.pin is True or not threads,
    }
    if settings.device != "CPU" and hasattr(session, "get_provider_graph_assignment_info"):
        counts: Counter[str] = Counter()
        for part in session.get_provider_graph_assignment_info():
            counts[part.ep_name.removesuffix(_SUFFIX).upper()] += len(part.get_nodes())
        used["placement"] = dict(counts)
    return used


def _executed(artifact: Artifact, settings: Settings) -> dict[str, int]:
    """Read back the graph that ONNX Runtime optimized for this machine."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        _open(artifact, settings, Share(1, 1, 1), [], path)
        return executed(onnx.load(path, load_external_data=False).graph)
