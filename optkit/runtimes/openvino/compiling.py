"""Compiles IR for a device, as settings say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.refusals import check_batch, check_foreign, does_not_load
from optkit.core.settings import Settings
from optkit.core.signature import Dim, Shape
from optkit.formats import ir
from optkit.graphs.ir_core import shared_core
from optkit.runtimes.openvino.reading import MANY, WORDS

# Properties that change nothing by themselves; of a hint, all that follows from it is told.
_NO_CAUSE = frozenset({"PERFORMANCE_HINT", "NETWORK_NAME", "SUPPORTED_PROPERTIES"})
_SMALL_CORES = Path("/sys/devices/cpu_atom")


def compiled(
    artifact: Artifact, settings: Settings, further: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """The compiled model, and the network that it was made of.

    Args:
        artifact: the IR.
        settings: as in `open_session`.
        further: properties of OpenVINO beside those that the settings are.

    Raises:
        OptkitError: no such device or setting, or a batch that the model cannot take (bad input);
            or the device refuses the model.
    """
    core = shared_core()
    check_foreign("OpenVINO", settings, "mode", "graph_optimizations")
    parts = parts_of(settings.device, tuple(core.available_devices))
    if settings.pin is not None and "CPU" not in parts:
        raise bad_input(f"OpenVINO binds no threads to cores on {settings.device}", "leave pin out")
    try:
        network = ir.load(artifact)
        network = _numpy_ends(_batched(artifact, network, settings.batch))
        config = _config(settings, parts) | dict(further or {})
        model = core.compile_model(network, settings.device, config)
    except (RuntimeError, MemoryError, OptkitError) as error:
        raise _refusal(artifact, settings, error) from error
    _check_precision(core, model, settings)
    return model, network


@cache
def properties(settings: Settings) -> Mapping[str, str] | None:
    """All that OpenVINO makes of settings on the processor, whatever the model.

    A hint is no more than a set of properties. None where they hang on the model, where OpenVINO
    refuses them, on other devices, and where cores differ: it then chooses among them by the model.
    """
    import openvino
    from openvino import opset13

    by_model = settings.streams is None and settings.hint != "latency"
    if settings.device != "CPU" or by_model or _SMALL_CORES.exists():
        return None
    given = opset13.parameter([1], openvino.Type.f32)
    anything = openvino.Model([opset13.result(opset13.relu(given))], [given], "anything")
    try:
        model = shared_core().compile_model(anything, "CPU", _config(settings, ("CPU",)))
    except RuntimeError:  # told by who opens a session
        return None
    names = {str(name) for name in model.get_property("SUPPORTED_PROPERTIES")}
    return {name: str(model.get_property(name)) for name in sorted(names - _NO_CAUSE)}


def parts_of(device: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The devices that a device string names; all that there are, for a bare AUTO.

    Raises:
        OptkitError: one of them is not there (bad input, with those there are).
    """
    head, colon, tail = device.partition(":")
    if device == "AUTO":
        return tuple(known)
    if head not in MANY:
        head, tail = "", device
    parts = tuple(part.strip().removeprefix("-").partition("(")[0] for part in tail.split(","))
    there = {*known, *(name.partition(".")[0] for name in known)}
    there |= {f"{name}.0" for name in there if name != "CPU"}
    missing = [part for part in parts if part not in there]
    if not missing:
        return parts
    words = ", ".join(known)
    if head and not tail:
        raise bad_input(f"'{device}' names no devices", f"write {head}:{','.join(known)}")
    within = f", named in '{device}'" if head or colon else ""
    raise bad_input(
        f"OpenVINO has no device '{missing[0]}' here{within}",
        f"one of {words}, or several at once: {', '.join(f'{word}:{known[0]}' for word in MANY)}",
    )


def _config(settings: Settings, parts: tuple[str, ...]) -> dict[str, Any]:
    # Left to itself OpenVINO computes in bf16 on a CPU that has it: outputs then differ from those
    # of other runtimes for a reason that no file shows.
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": settings.infer_precision}
    if settings.hint not in {None, "none"}:
        config["PERFORMANCE_HINT"] = str(settings.hint).upper()
    if settings.streams is not None:
        config["NUM_STREAMS"] = str(settings.streams)
    processor: dict[str, Any] = {}
    if settings.threads is not None:
        processor["INFERENCE_NUM_THREADS"] = settings.threads
    if settings.pin is not None:
        processor["ENABLE_CPU_PINNING"] = settings.pin
    head = settings.device.partition(":")[0]
    if head == "AUTO":  # else the processor stands in for a device that is slow to start
        config["ENABLE_STARTUP_FALLBACK"] = False
    if "CPU" not in parts or not processor:
        return config
    # BATCH hands properties on; the others are told whose they are.
    if head in {"CPU", "BATCH"}:
        return config | processor
    return config | {"DEVICE_PROPERTIES": {"CPU": processor}}


def _check_precision(core: Any, model: Any, settings: Settings) -> None:
    """Refuse a precision that the device does not have: it takes another without a word."""
    name = "INFERENCE_PRECISION_HINT"
    if name not in {str(key) for key in model.get_property("SUPPORTED_PROPERTIES")}:
        return
    used = model.get_property(name).to_string()
    if used != settings.infer_precision:
        able = core.get_property(settings.device, "OPTIMIZATION_CAPABILITIES")
        words = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}
        raise bad_input(
            f"{settings.device} has no {settings.infer_precision}: it would compute in {used}",
            f"one of {', '.join(word for key, word in words.items() if key in able)}",
        )


def _refusal(artifact: Artifact, settings: Settings, error: Exception) -> OptkitError:
    """The error for what `compile_model` raised, without the lines that name its source files."""
    if isinstance(error, OptkitError):
        return does_not_load("OpenVINO", artifact, settings, error)
    lines = [line for line in str(error).splitlines() if not line.startswith("Exception from")]
    bare = type(error)("\n".join(lines))
    for name, field in WORDS.items():
        if name in str(bare):
            return bad_input(
                f"{settings.device} refuses {field} {getattr(settings, field)}: {root_cause(bare)}",
                f"leave {field} out, or choose another device",
            )
    return does_not_load("OpenVINO", artifact, settings, bare)


def _batched(artifact: Artifact, network: Any, batch: int) -> Any:
    """The network for inputs `batch` times as long along axis 0.

    Raises:
        OptkitError: the model's own shapes do not allow it (bad input).
    """
    import openvino

    if batch == 1:
        return network
    wanted: dict[Any, Any] = {}
    open_ends: dict[str, Shape | None] = {}
    for port in network.inputs:
        shape = port.partial_shape
        static = not shape.rank.is_dynamic and len(shape) > 0 and not shape[0].is_dynamic
        if static:
            shape[0] = openvino.Dimension(shape[0].get_length() * batch)
            wanted[port] = shape
        else:
            open_ends[port.any_name] = _ends(shape)
    check_batch(artifact, open_ends, batch)
    rows = {port.partial_shape[0].get_length() for port in wanted}
    kept = {port: _rows(port) for port in network.outputs}
    reason = ""
    try:
        network.reshape(wanted)
    except RuntimeError as error:
        reason = root_cause(RuntimeError(_last(error)))
    else:
        for port, before in kept.items():
            if before in rows and _rows(port) == before:
                reason = f"an output still holds {before} along its batch axis"
    if reason:
        raise bad_input(
            f"{artifact.path.name} cannot run with batch {batch}: its graph fixes the batch: "
            f"{reason}",
            "leave batch at 1, or convert the source with a dynamic batch: --input name=1..64,...",
        )
    return network


def _last(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _ends(shape: Any) -> Shape | None:
    """A partial shape in optkit's words; None where even its rank is open."""
    if shape.rank.is_dynamic:
        return None
    return tuple(
        Dim(
            max(size.get_min_length(), 1),
            size.get_max_length() if size.get_max_length() > 0 else None,
        )
        if size.is_dynamic
        else size.get_length()
        for size in shape
    )


def _rows(port: Any) -> int | None:
    shape = port.partial_shape
    known = not shape.rank.is_dynamic and len(shape) > 0 and not shape[0].is_dynamic
    return int(shape[0].get_length()) if known else None


def _numpy_ends(model: Any) -> Any:
    """The model with ends that numpy can hold: float32 for bf16 inputs and for half outputs.

    The Python API hands bf16 bytes out labelled as float16.
    """
    import openvino
    from openvino.preprocess import PrePostProcessor

    floats = (openvino.Type.bf16, openvino.Type.f16, openvino.Type.f64)
    inputs = [i for i, end in enumerate(model.inputs) if end.element_type == openvino.Type.bf16]
    outputs = [i for i, end in enumerate(model.outputs) if end.element_type in floats]
    if not inputs and not outputs:
        return model
    ends = PrePostProcessor(model)
    for index in inputs:
        ends.input(index).tensor().set_element_type(openvino.Type.f32)
    for index in outputs:
        ends.output(index).tensor().set_element_type(openvino.Type.f32)
    return ends.build()
