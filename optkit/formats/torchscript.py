"""TorchScript: a traced or scripted network, as torch.jit.save writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Summary
from optkit.core.errors import bad_input
from optkit.core.signature import DTYPES, Signature, TensorSpec
from optkit.graphs import torchscript_graph as graphs
from optkit.graphs.reading import unreadable, zip_members

if TYPE_CHECKING:
    import torch

FILE = "model.pt"
NEEDS = ("torch",)

_WRITTEN_AT_THE_END = {"version", ".data/version", ".data/serialization_id"}


def recognise(path: Path) -> bool:
    """Whether `path` is a zip archive of TorchScript code and constants."""
    members = zip_members(path)
    return "constants.pkl" in members and any(name.startswith("code/") for name in members)


def files(path: Path) -> tuple[Path, ...]:
    """The archive alone."""
    return (path,)


def load(artifact: Artifact) -> torch.jit.ScriptModule:
    """The network on the CPU, in evaluation mode.

    Raises:
        OptkitError: torch cannot read the file (bad input).
    """
    return _load(artifact.path)


def save(network: torch.jit.ScriptModule, path: Path) -> None:
    """Write a network; equal ones give equal bytes.

    What torch adds for debugging is left out: it names the files and the lines that led here.
    """
    import torch

    full = path.with_name(f"{path.name}.full")
    network.save(str(full))
    reader = torch._C.PyTorchFileReader(str(full))
    writer = torch._C.PyTorchFileWriter(str(path))
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in _WRITTEN_AT_THE_END:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    full.unlink()


def signature(artifact: Artifact) -> Signature:
    """Inputs by the names of `forward`; shapes where the trace kept them.

    A parameter that may be left out and is no plain tensor is no input. Outputs carry names alone;
    there are none where only a run shows them.

    Raises:
        OptkitError: the file cannot be read, or `forward` wants something else than tensors.
    """
    model = _load(artifact.path, restore_shapes=True)
    frozen = _frozen(model)
    guesses = graphs.implied(frozen)
    inputs = []
    for argument, value, inner in _inputs(artifact.path, model, frozen):
        kind = value.type()
        shape, dtype = kind.sizes(), kind.dtype()
        if dtype is None and inner in guesses:
            word = guesses[inner][1]
        else:
            word = "" if dtype is None else str(dtype).removeprefix("torch.")
        inputs.append(
            TensorSpec(
                argument,
                None if shape is None else tuple(shape),
                word if word in DTYPES else None,
            )
        )
    names = graphs.output_names(frozen) or []
    return Signature(tuple(inputs), tuple(TensorSpec(name) for name in names))


def implied(artifact: Artifact) -> dict[str, str]:
    """A paste-ready `--input` for each input whose shape the file does not tell.

    The guess rests on the first layer that reads the input, as `x=1,3,224,224:float32`; an input
    that none reads is taken to be like the others.
    """
    model = _load(artifact.path, restore_shapes=True)
    frozen = _frozen(model)
    guesses = graphs.implied(frozen)
    fallback = next(iter(guesses.values()), ((1, 3, 224, 224), "float32"))
    out = {}
    for argument, value, inner in _inputs(artifact.path, model, frozen):
        if value.type().sizes() is None:
            shape, dtype = guesses.get(inner, fallback)
            out[argument] = f"{argument}={','.join(map(str, shape))}:{dtype}"
    return out


def summary(artifact: Artifact) -> Summary:
    """Counts over the inlined, frozen graph; FLOPs where the signature's shapes are known."""
    model = _load(artifact.path)
    trained = sum(tensor.numel() for tensor in model.parameters())
    frozen = _frozen(model)
    return Summary(
        operations=dict(graphs.operations(frozen)),
        parameters=trained or graphs.constants(frozen),
        flops=None if graphs.recurs(frozen) else _flops(model, artifact.signature),
        weighted=graphs.weighted(frozen),
    )


def index_bounds(artifact: Artifact) -> dict[str, int]:
    """Rows of the smallest embedding table that each integer input indexes."""
    model = _load(artifact.path)
    frozen = _frozen(model)
    bounds = graphs.index_bounds(frozen)
    return {
        argument: bounds[inner]
        for argument, _, inner in _inputs(artifact.path, model, frozen)
        if inner in bounds
    }


def _load(path: Path, *, restore_shapes: bool = False) -> torch.jit.ScriptModule:
    import torch

    kept = restore_shapes and "traced_inputs.pkl" in zip_members(path)  # torch warns without them
    try:
        return torch.jit.load(path, map_location="cpu", _restore_shapes=kept).eval()
    except (RuntimeError, ValueError, EOFError) as error:
        raise unreadable(path, "TorchScript", error) from error


def _frozen(model: torch.jit.ScriptModule) -> Any:
    """The graph with weights as constants and calls inlined; nothing folded."""
    import torch

    return torch.jit.freeze(model, optimize_numerics=False).graph


def _inputs(path: Path, model: torch.jit.ScriptModule, frozen: Any) -> list[tuple[str, Any, str]]:
    """Of each tensor input: name, value in the model's graph, debug name in the frozen graph."""
    arguments = model._c._get_method("forward").schema.arguments[1:]
    values = list(model.graph.inputs())[1:]
    inner = [value.debugName() for value in frozen.inputs()][1:]
    found = []
    for argument, value, name in zip(arguments, values, inner, strict=True):
        if argument.type.kind() == "TensorType":
            if not (argument.has_default_value() and not value.uses()):
                found.append((argument.name, value, name))
        elif not argument.has_default_value():
            raise bad_input(
                f"'{path.name}': input '{argument.name}' is a {argument.type.annotation_str}; "
                "only tensors can be fed",
                "trace or script the network with tensors as its inputs",
            )
    return found


def _flops(model: torch.jit.ScriptModule, face: Signature) -> int | None:
    """Counted while the network runs once on zeros of the declared sizes."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    if not face.inputs or not all(spec.known for spec in face.inputs):
        return None
    inputs = [
        torch.zeros(_smallest(spec), dtype=getattr(torch, spec.dtype or "")) for spec in face.inputs
    ]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(*inputs)
    except RuntimeError:
        return None
    return int(counter.get_total_flops())


def _smallest(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(dim if isinstance(dim, int) else dim.low for dim in spec.shape or ())
