"""PyTorch runs TorchScript, exported programs and modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from optkit.core.artifact import Artifact
from optkit.core.contract import Format, Session
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

RUNS = ("torchscript", "exported", "module")
NEEDS = ("torch",)


def devices() -> tuple[str, ...]:
    """`CPU`, and `CUDA` where there is one."""
    import torch

    return ("CPU", "CUDA") if torch.cuda.is_available() else ("CPU",)


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Load the model and move it to a device.

    `threads` holds for the whole process: PyTorch has one pool.

    Raises:
        OptkitError: no such device or precision (bad input), or the model cannot be loaded.
    """
    import torch

    if settings.device not in devices():
        raise bad_input(
            f"PyTorch has no device '{settings.device}' here", f"one of {', '.join(devices())}"
        )
    if settings.infer_precision != "f32":
        raise bad_input(
            f"PyTorch computes in the model's own precision, not in {settings.infer_precision} "
            "by a setting",
            "convert the model itself: --precision fp16",
        )
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = torch.device(settings.device.lower())
    reader: Format = cast("Format", importlib.import_module(f"optkit.formats.{artifact.format}"))
    try:
        call = _caller(
            reader.load(artifact), [spec.name for spec in artifact.signature.inputs], device
        )
    except OptkitError:
        raise
    except Exception as error:
        raise OptkitError(
            f"PyTorch cannot load {artifact.path.name}: {root_cause(error)}",
            f"look at the model: optkit inspect {artifact.path}",
        ) from error
    return Session(
        _inferrer(call, artifact, device),
        # PyTorch runs the graph as the file holds it, without a compiled form of its own.
        lambda: dict(reader.summary(artifact).precision),
        {"threads": torch.get_num_threads(), "infer_precision": "f32"},
    )


def _caller(model: Any, names: Sequence[str], device: Any) -> Callable[[Sequence[Any]], Any]:
    """A function from tensors, in the signature's order, to whatever the network returns."""
    import torch

    if not isinstance(model, torch.export.ExportedProgram):
        network = model.eval().to(device)
        if isinstance(network, torch.jit.ScriptModule):
            # By name: a parameter that may be left out can stand before a given one.
            return lambda tensors: network(**dict(zip(names, tensors, strict=True)))
        return lambda tensors: network(*tensors)
    from torch.export.graph_signature import ConstantArgument, InputKind
    from torch.export.passes import move_to_device_pass
    from torch.utils._pytree import tree_unflatten

    specs = model.graph_signature.input_specs
    given = [spec.arg for spec in specs if spec.kind == InputKind.USER_INPUT]
    layout = model.call_spec.in_spec
    program = move_to_device_pass(model, str(device)) if device.type != "cpu" else model
    network = program.module()

    def call(tensors: Sequence[Any]) -> Any:
        left = iter(tensors)
        leaves = [a.value if isinstance(a, ConstantArgument) else next(left) for a in given]
        args, kwargs = tree_unflatten(leaves, layout)
        return network(*args, **kwargs)

    return call


def _inferrer(
    call: Callable[[Sequence[Any]], Any], artifact: Artifact, device: Any
) -> Callable[[Arrays], dict[str, np.ndarray]]:
    import torch

    from optkit.graphs.torch_outputs import flatten

    specs = artifact.signature.inputs
    # numpy has no bfloat16: such an input arrives as float32.
    casts = [torch.bfloat16 if spec.dtype == "bfloat16" else None for spec in specs]
    names = [spec.name for spec in artifact.signature.outputs]

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        tensors = [
            torch.from_numpy(arrays[spec.name]).to(device, cast)
            for spec, cast in zip(specs, casts, strict=True)
        ]
        with torch.inference_mode():
            found = flatten(call(tensors))
        given = names if len(names) == len(found) else [name for name, _ in found]
        return {name: _numpy(tensor) for name, (_, tensor) in zip(given, found, strict=True)}

    return infer


def _numpy(tensor: Any) -> np.ndarray:
    host = tensor.float() if tensor.is_floating_point() else tensor
    array: np.ndarray = host.cpu().numpy()
    return array
