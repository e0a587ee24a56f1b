"""OpenVINO runs IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.refusals import check_counts
from optkit.core.settings import Settings
from optkit.core.signature import TensorSpec
from optkit.core.workers import side_by_side
from optkit.graphs.ir_core import shared_core
from optkit.runtimes.openvino.compiling import compiled, parts_of, properties
from optkit.runtimes.openvino.reading import executed, in_use, placement

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

RUNS = ("ir",)
NEEDS = ("openvino",)


def devices() -> tuple[str, ...]:
    """The devices whose drivers are there, such as `CPU` and `GPU`."""
    return tuple(shared_core().available_devices)


def check_device(device: str) -> None:
    """Refuse a device that is not here, or a part of several.

    Raises:
        OptkitError: bad input, told with what there is.
    """
    parts_of(device, devices())


def resolved(settings: Settings, used: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """What settings come to on the processor.

    None on other devices, where cores differ, where OpenVINO refuses them, and where it chooses the
    streams by the model and `used` does not tell which, or tells of other threads than these
    streams have when they are asked for.
    """
    asked = settings
    if settings.streams is None and used:
        asked = replace(settings, streams=used.get("streams"))
    found = properties(replace(asked, api=None, batch=1, nireq=None))
    if found is None or (used and found["INFERENCE_NUM_THREADS"] != str(used["threads"])):
        return None
    own = {name: getattr(settings, name) for name in ("batch", "nireq", "infer_precision")}
    return {**found, **own}  # a precision that the processor lacks is refused, not replaced


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Compile the IR for a device, or for several, at an explicit inference precision.

    `threads` and `pin` hold for the processor, where it is among the devices.

    Raises:
        OptkitError: no such device, a setting that it does not have, or a batch that the model
            cannot take (bad input); or the device refuses the model.
    """
    check_counts(settings)
    model, network = compiled(artifact, settings)
    _, run, infer = _requested(artifact, model)
    inputs = _ports(artifact.signature.inputs, model.inputs)
    used = in_use(model, settings.device)
    slots = settings.nireq or int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    # Not AsyncInferQueue: it does not call back for an inference that fails, and is no faster.
    submit, close = side_by_side(slots, slots, lambda _: _waiting(model, inputs))
    told = {"nireq": slots, "batch": settings.batch, **used, **placement(network, settings.device)}
    return Session(infer, lambda: executed(model), told, submit, slots, close, run)


def open_counting(
    artifact: Artifact, settings: Settings
) -> tuple[Callable[[Arrays], dict[str, np.ndarray]], Any, Any]:
    """The model compiled so that it counts the time of its nodes.

    Returns:
        Its inference, the compiled model, and the request that tells the counts.

    Raises:
        OptkitError: as `open_session`.
    """
    check_counts(settings)
    model, _ = compiled(artifact, settings, {"PERF_COUNT": True})
    request, _, infer = _requested(artifact, model)
    return infer, model, request


def _requested(
    artifact: Artifact, model: Any
) -> tuple[Any, Callable[[Arrays], object], Callable[[Arrays], dict[str, np.ndarray]]]:
    """A request, a synchronous inference by it, and one that hands out a copy of its outputs."""
    inputs = _ports(artifact.signature.inputs, model.inputs)
    outputs = _ports(artifact.signature.outputs, model.outputs)
    request = model.create_infer_request()
    feed = _feeding(request, inputs)

    def run(arrays: Arrays) -> None:
        feed(arrays)
        request.infer(share_outputs=True)

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        run(arrays)
        return {name: request.get_output_tensor(index).data.copy() for name, index in outputs}

    return request, run, infer


def _waiting(model: Any, inputs: Sequence[tuple[str, int]]) -> Callable[[Arrays], None]:
    """An inference of its own request, run on the device's threads while this one waits."""
    request = model.create_infer_request()
    feed = _feeding(request, inputs)

    def infer(arrays: Arrays) -> None:
        feed(arrays)
        request.start_async()
        request.wait()

    return infer


def _feeding(request: Any, inputs: Sequence[tuple[str, int]]) -> Callable[[Arrays], None]:
    """Copies inputs into the request's own memory, which costs less than new tensors.

    An array that lies there already is not copied again: so a loop over one input times the
    inference alone, as OpenVINO's benchmark_app does.
    """
    held: dict[str, np.ndarray] = {}

    def feed(arrays: Arrays) -> None:
        for name, index in inputs:
            if held.get(name) is not arrays[name]:
                held.pop(name, None)
                _feed(request, name, index, arrays[name])
                held[name] = arrays[name]

    return feed


def _feed(request: Any, name: str, index: int, array: np.ndarray) -> None:
    """Half inputs are fed from the samples of the float32 model."""
    import numpy as np
    import openvino

    tensor = request.get_input_tensor(index)
    if tuple(tensor.shape) != array.shape:
        taken = request.model_inputs[index].partial_shape
        if not taken.compatible(openvino.PartialShape(list(array.shape))):
            # a smaller one would be taken as it is, and what follows read beside it
            raise RuntimeError(f"input {name} is {list(array.shape)}, the model takes {taken}")
        tensor.shape = array.shape
    np.copyto(tensor.data, array, casting="same_kind")


def _ports(specs: tuple[TensorSpec, ...], ports: Sequence[Any]) -> list[tuple[str, int]]:
    """Each tensor of the signature with its port: by name, or by position where names are gone."""
    index_of = {name: index for index, port in enumerate(ports) for name in port.get_names()}
    return [(spec.name, index_of.get(spec.name, at)) for at, spec in enumerate(specs)]
