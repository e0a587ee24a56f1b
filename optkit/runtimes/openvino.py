"""OpenVINO runs IR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.settings import Settings
from optkit.core.signature import TensorSpec
from optkit.formats import ir

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

RUNS = ("ir",)
NEEDS = ("openvino",)

_WEIGHTED = frozenset({
    "Convolution", "Deconvolution", "FullyConnected", "DeformableConvolution",
    "RNNCell", "RNNSeq", "LSTMCell", "LSTMSequence", "GRUCell", "GRUSequence",
})  # fmt: skip
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}


def devices() -> tuple[str, ...]:
    """The devices whose drivers are there, such as `CPU` and `GPU`."""
    import openvino

    return tuple(openvino.Core().available_devices)


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Compile the IR for a device, at an explicit inference precision.

    Raises:
        OptkitError: no such device (bad input), or the device refuses the model.
    """
    compiled = _compile(artifact, settings, "LATENCY")
    return _session(compiled, artifact)


def open_offline(
    artifact: Artifact, settings: Settings
) -> tuple[Session, Callable[[Sequence[Arrays]], None]]:
    """Compile for throughput: several inferences run side by side.

    Returns:
        A session, and a function that runs a batch of inputs in any order and waits for them all.

    Raises:
        OptkitError: as `open_session`.
    """
    import openvino

    compiled = _compile(artifact, settings, "THROUGHPUT")
    queue = openvino.AsyncInferQueue(compiled)
    half = _half_inputs(compiled, artifact)

    def infer_all(inputs: Sequence[Arrays]) -> None:
        for arrays in inputs:
            queue.start_async(
                {spec.name: _fed(arrays, spec.name, half) for spec in artifact.signature.inputs},
                share_inputs=True,
            )
        queue.wait_all()

    return _session(compiled, artifact), infer_all


def _compile(artifact: Artifact, settings: Settings, hint: str) -> Any:
    import openvino

    core = openvino.Core()
    known = core.available_devices
    if settings.device not in known:
        raise bad_input(
            f"OpenVINO has no device '{settings.device}' here", f"one of {', '.join(known)}"
        )
    # Left to itself OpenVINO computes in bf16 on a CPU that has it: outputs then differ from those
    # of other runtimes for a reason that no file shows.
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": settings.infer_precision,
        "PERFORMANCE_HINT": hint,
    }
    if settings.threads is not None and settings.device == "CPU":
        config["INFERENCE_NUM_THREADS"] = settings.threads
    try:
        return core.compile_model(_numpy_ends(ir.load(artifact)), settings.device, config)
    except RuntimeError as error:
        raise OptkitError(
            f"OpenVINO cannot compile {artifact.path.name} for {settings.device}: {_cause(error)}",
            f"look at the model: optkit inspect {artifact.path}",
        ) from error


def _cause(error: RuntimeError) -> str:
    """OpenVINO's message without the lines that name its own source files."""
    lines = [line for line in str(error).splitlines() if not line.startswith("Exception from")]
    return root_cause(RuntimeError("\n".join(lines)))


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


def _session(compiled: Any, artifact: Artifact) -> Session:
    import openvino

    request = compiled.create_infer_request()
    inputs = _ports(artifact.signature.inputs, compiled.inputs)
    outputs = _ports(artifact.signature.outputs, compiled.outputs)
    half = _half_inputs(compiled, artifact)

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        for name, index in inputs:
            fed = _fed(arrays, name, half)
            request.set_input_tensor(index, openvino.Tensor(fed, shared_memory=False))
        request.infer(share_outputs=True)
        return {name: request.get_output_tensor(index).data.copy() for name, index in outputs}

    return Session(infer, lambda: _executed(compiled), _in_use(compiled))


def _half_inputs(compiled: Any, artifact: Artifact) -> frozenset[str]:
    import openvino

    return frozenset(
        name
        for name, index in _ports(artifact.signature.inputs, compiled.inputs)
        if compiled.inputs[index].get_element_type() == openvino.Type.f16
    )


def _fed(arrays: Arrays, name: str, half: frozenset[str]) -> np.ndarray:
    """An input as its port takes it: half ones are fed from the samples of the float32 model."""
    return arrays[name].astype("float16", copy=False) if name in half else arrays[name]


def _ports(specs: tuple[TensorSpec, ...], ports: Sequence[Any]) -> list[tuple[str, int]]:
    """Each tensor of the signature with its port: by name, or by position where names are gone."""
    index_of = {name: index for index, port in enumerate(ports) for name in port.get_names()}
    return [(spec.name, index_of.get(spec.name, at)) for at, spec in enumerate(specs)]


def _executed(compiled: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kind = info["layerType"].astype(str)
        if kind in _WEIGHTED or (kind == "MatMul" and _has_constant(node)):
            # `runtimePrecision` of a layer with compressed weights is that of the weights; the
            # kernel's name ends in the precision that it computes in.
            precision = info["primitiveType"].astype(str).rpartition("_")[2].lower()
            counts[_PRECISIONS.get(precision, precision)] += 1
    return dict(counts)


def _has_constant(node: Any) -> bool:
    sources = [value.get_node() for value in node.input_values()]
    return any(source.get_rt_info()["layerType"].astype(str) == "Const" for source in sources)


def _in_use(compiled: Any) -> dict[str, Any]:
    known = set(compiled.get_property("SUPPORTED_PROPERTIES"))
    settings: dict[str, Any] = {}
    if "INFERENCE_NUM_THREADS" in known:
        settings["threads"] = int(compiled.get_property("INFERENCE_NUM_THREADS"))
    if "INFERENCE_PRECISION_HINT" in known:
        precision = compiled.get_property("INFERENCE_PRECISION_HINT")
        settings["infer_precision"] = precision.to_string()
    if "NUM_STREAMS" in known:
        settings["streams"] = int(compiled.get_property("NUM_STREAMS"))
    return settings
