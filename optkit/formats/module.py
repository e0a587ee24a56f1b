"""Weights without a graph: a state dict or a pickled network of PyTorch.

Weights need a `factory` that builds the network; a pickled network builds itself. Both run code of
the user's and only under `--trust-code`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Summary
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import Signature, TensorSpec
from optkit.core.trust import importing_from, load_callable
from optkit.graphs.pickles import is_legacy, pickled_classes
from optkit.graphs.reading import unreadable, zip_members
from optkit.graphs.torch_weights import fill, is_safetensors, listed, read_weights

if TYPE_CHECKING:
    import torch

FILE = "model.safetensors"
NEEDS = ("torch", "safetensors")

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_WORDS = {"float16": "fp16", "bfloat16": "bf16"}


def recognise(path: Path) -> bool:
    """Whether `path` is a torch.save file, of either age, or a safetensors file."""
    if not path.is_file():
        return False
    if is_legacy(path):
        return True
    members = zip_members(path)
    if members:
        return "data.pkl" in members and "constants.pkl" not in members
    return is_safetensors(path)


def files(path: Path) -> tuple[Path, ...]:
    """The file alone."""
    return (path,)


def refusal(path: Path, factory: str | None, *, trusted: bool) -> OptkitError | None:
    """Why the network cannot be had, known without importing torch; None where it can."""
    if factory is not None:
        try:
            if not trusted:
                load_callable(factory, trusted=False, wanted_for="builds the network", root=path)
        except OptkitError as error:
            return error
        return None
    classes = () if is_safetensors(path) else pickled_classes(path)
    if classes:
        return None if trusted else bad_input(
            f"'{path.name}' is a pickle that would import and run {listed(classes)}",
            "if you trust this model, add --trust-code",
        )  # fmt: skip
    return bad_input(
        f"'{path.name}' holds weights without a network",
        "add `factory: package.module:make` to the recipe's model, or --factory "
        "package.module:make, with --trust-code",
    )


def load(artifact: Artifact) -> torch.nn.Module:
    """The network with its weights on the CPU, in evaluation mode.

    Raises:
        OptkitError: it may not be built, or the weights are not this network's (bad input).
    """
    import torch

    path = artifact.path
    if error := refusal(path, artifact.factory, trusted=artifact.trusted):
        raise error
    if artifact.factory is None:
        network = _unpickle(path, artifact.root or path.parent)
    else:
        make = load_callable(artifact.factory, trusted=artifact.trusted,
                             wanted_for="builds the network",
                             root=artifact.root or path.parent)  # fmt: skip
        try:
            network = make()
        except Exception as error:  # the user's own code
            raise bad_input(
                f"'{artifact.factory}' failed: {type(error).__name__}: {root_cause(error)}",
                "it is called without arguments and returns the network; mend it",
            ) from error
    if not isinstance(network, torch.nn.Module):
        raise bad_input(
            f"{artifact.factory or path.name} gives '{type(network).__name__}', no torch.nn.Module",
            "let it return the network itself",
        )
    if artifact.factory is not None:
        fill(network, read_weights(path), path)
    return network.eval()


def signature(artifact: Artifact) -> Signature:
    """Inputs by the names of the network's `forward`; their shapes are not known.

    Parameters with a default are no inputs. Weights without a network tell nothing.
    """
    if artifact.factory is None and holds_weights(artifact.path):
        return Signature()
    parameters = inspect.signature(load(artifact).forward).parameters.values()
    named = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD,
             inspect.Parameter.KEYWORD_ONLY}  # fmt: skip
    return Signature(
        tuple(
            TensorSpec(parameter.name)
            for parameter in parameters
            if parameter.kind in named and parameter.default is inspect.Parameter.empty
        )
    )


def implied(artifact: Artifact) -> dict[str, str]:
    """A paste-ready `--input` for a network of one input, guessed from its first layer."""
    import torch

    names = [spec.name for spec in signature(artifact).inputs]
    if len(names) != 1:
        return {name: f"{name}=1,3,224,224:float32" for name in names}
    for layer in load(artifact).modules():
        shape, dtype = "", "float32"
        if isinstance(layer, torch.nn.modules.conv._ConvNd):
            size = ",224" * (layer.weight.dim() - 2)
            shape = f"1,{layer.in_channels}{size}"
        elif isinstance(layer, torch.nn.Linear):
            shape = f"1,{layer.in_features}"
        elif isinstance(layer, torch.nn.Embedding):
            shape, dtype = "1,16", "int64"
        if shape:
            return {names[0]: f"{names[0]}={shape}:{dtype}"}
    return {names[0]: f"{names[0]}=1,3,224,224:float32"}


def summary(artifact: Artifact) -> Summary:
    """Layers by class; of weights without a network, the number of values alone."""
    import torch

    if artifact.factory is None and holds_weights(artifact.path):
        tensors = read_weights(artifact.path).items()
        trained = [tensor for name, tensor in tensors if not name.endswith(_STATISTICS)]
        return Summary({}, sum(tensor.numel() for tensor in trained), None, {})
    network = load(artifact)
    leaves = [layer for layer in network.modules() if not list(layer.children())]
    layers = (torch.nn.modules.conv._ConvNd, torch.nn.Linear, torch.nn.RNNBase)
    words = [
        (
            type(layer).__name__,
            _WORDS.get(str(next(layer.parameters()).dtype).removeprefix("torch."), "fp32"),
        )
        for layer in leaves
        if isinstance(layer, layers)
    ]
    return Summary(
        operations=dict(Counter(type(layer).__name__ for layer in leaves)),
        parameters=sum(tensor.numel() for tensor in network.parameters()),
        flops=None,
        weighted=Counter(words),
    )


def index_bounds(artifact: Artifact) -> dict[str, int]:
    """Nothing: which input reaches which table shows in a graph alone."""
    del artifact
    return {}


def holds_weights(path: Path) -> bool:
    """Whether there are tensors alone in the file: nothing that would be imported or run."""
    return is_safetensors(path) or not pickled_classes(path)


def _unpickle(path: Path, root: Path) -> Any:
    import torch

    try:
        with importing_from(root):
            return torch.load(path, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise bad_input(
            f"cannot rebuild the network in '{path.name}': {error}",
            "run where its package can be imported, or save it with torch.jit.save",
        ) from error
    except Exception as error:
        raise unreadable(path, "a pickled network", error) from error
