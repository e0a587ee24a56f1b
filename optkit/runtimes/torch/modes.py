"""The modes in which PyTorch runs a network: as it is, frozen, compiled on the go, or ahead."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input
from optkit.core.refusals import check_word
from optkit.core.settings import Settings

_RUNS = {
    "eager": ("module", "exported"),
    "frozen": ("torchscript",),
    "compile": ("module", "exported"),
    "aot": ("exported",),
}
# What is compiled or frozen no longer casts as autocast says.
_CASTS = (None, "eager", "compile")

Call = Callable[[Sequence[Any]], Any]


def check_mode(artifact: Artifact, settings: Settings) -> None:
    """Refuse a mode that does not run the format, or not in the precision.

    Raises:
        OptkitError: one of these, or no such mode (bad input).
    """
    mode = settings.mode
    check_word("PyTorch", "mode", mode, _RUNS)
    if mode is None:
        return
    if artifact.format not in _RUNS[mode]:
        raise bad_input(
            f"PyTorch's mode {mode} runs {' or '.join(_RUNS[mode])}, and {artifact.path.name} is "
            f"{artifact.format}",
            f"convert it first: optkit convert {artifact.path} --to {_RUNS[mode][-1]}",
        )
    if settings.infer_precision != "f32" and mode not in _CASTS:
        raise bad_input(
            f"PyTorch's mode {mode} computes in the model's own precision, not in "
            f"{settings.infer_precision}",
            "choose mode eager or compile, or convert the model itself: --precision fp16",
        )


def caller(
    artifact: Artifact, model: Any, mode: str | None, device: Any, streams: int, held: ExitStack
) -> Call:
    """A function from tensors, in the signature's order, to whatever the network returns.

    Args:
        artifact: the model.
        model: the same, loaded on the processor.
        mode: a mode that runs it.
        device: a torch.device.
        streams: inferences that run side by side.
        held: closes with the session.

    Raises:
        OptkitError: the mode compiles, and there is no C++ compiler.
    """
    import torch

    names = [spec.name for spec in artifact.signature.inputs]
    if mode in {"compile", "aot"}:
        _need_compiler(mode)
    if isinstance(model, torch.export.ExportedProgram):
        return _program(model, mode, device, streams, held)
    network = model.eval().to(device)
    if isinstance(network, torch.jit.ScriptModule):
        if mode == "frozen":
            network = torch.jit.optimize_for_inference(torch.jit.freeze(network))
        # By name: a parameter that may be left out can stand before a given one.
        return lambda tensors: network(**dict(zip(names, tensors, strict=True)))
    run = torch.compile(network) if mode == "compile" else network
    return lambda tensors: run(*tensors)


def _program(model: Any, mode: str | None, device: Any, streams: int, held: ExitStack) -> Call:
    import torch
    from torch.export.graph_signature import ConstantArgument, InputKind
    from torch.export.passes import move_to_device_pass
    from torch.utils._pytree import tree_unflatten

    specs = model.graph_signature.input_specs
    given = [spec.arg for spec in specs if spec.kind == InputKind.USER_INPUT]
    layout = model.call_spec.in_spec
    program = move_to_device_pass(model, str(device)) if device.type != "cpu" else model
    if mode == "aot":
        run = _ahead_of_time(program, streams, held)
    else:
        run = torch.compile(program.module()) if mode == "compile" else program.module()

    def call(tensors: Sequence[Any]) -> Any:
        left = iter(tensors)
        leaves = [a.value if isinstance(a, ConstantArgument) else next(left) for a in given]
        args, kwargs = tree_unflatten(leaves, layout)
        return run(*args, **kwargs)

    return call


def _ahead_of_time(program: Any, streams: int, held: ExitStack) -> Any:
    """The program as a library of machine code, in a folder that goes with the session."""
    import torch._inductor
    from torch._inductor.package import load_package

    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="optkit-aot-")))
    package = torch._inductor.aoti_compile_and_package(
        program, package_path=str(folder / "model.pt2")
    )
    # one runner would let inferences in one after the other
    return load_package(package, num_runners=streams)


def _need_compiler(mode: str) -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception as error:
        raise OptkitError(
            f"PyTorch's mode {mode} needs a C++ compiler, and there is none here",
            "install one (apt install g++), or name it in CXX",
        ) from error
