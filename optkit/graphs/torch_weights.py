"""Weights by name: reads state dicts and fills networks with them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.graphs.pickles import pickled_classes
from optkit.graphs.reading import unreadable

if TYPE_CHECKING:
    import torch

_HEADER_LIMIT = 100_000_000  # bytes; the format's own bound


def is_safetensors(path: Path) -> bool:
    """Whether `path` starts with a safetensors header that the file is long enough for."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_HEADER_LIMIT, path.stat().st_size - 8):
            return False
        if file.read(1) != b"{":
            return False
        try:
            header = json.loads(b"{" + file.read(length - 1))
        except ValueError:
            return False
    tensors = [item for name, item in header.items() if name != "__metadata__"]
    return all(isinstance(item, dict) and "data_offsets" in item for item in tensors)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state dict by name; nothing else is unpickled."""
    import safetensors
    import torch
    from safetensors.torch import load_file

    try:
        if is_safetensors(path):
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise bad_input(
            f"'{path.name}' holds {listed(pickled_classes(path))} beside weights",
            "save the weights alone: torch.save(network.state_dict(), path); a pickled network "
            "needs no factory",
        ) from error
    except (RuntimeError, ValueError, EOFError, OSError, KeyError,
            safetensors.SafetensorError) as error:  # fmt: skip
        raise unreadable(path, "weights", error) from error
    plain = isinstance(state, dict) and all(isinstance(v, torch.Tensor) for v in state.values())
    if not plain:
        kind = (
            ", ".join(map(str, list(state)[:5]))
            if isinstance(state, dict)
            else type(state).__name__
        )
        raise bad_input(
            f"'{path.name}' is no state dict of tensors; it holds {kind}",
            'save the state dict alone, such as torch.save(checkpoint["state_dict"], path)',
        )
    return dict(state)


def fill(network: torch.nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Load a state dict strictly.

    Raises:
        OptkitError: names or shapes that are missing, unexpected or other (bad input).
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    wrong = [n for n in wanted if n in state and wanted[n].shape != state[n].shape]
    problems = [
        f"{word} {listed(tuple(names))}"
        for word, names in (("missing", missing), ("unexpected", extra), ("other shape:", wrong))
        if names
    ]
    if problems:
        raise bad_input(
            f"the weights in '{path.name}' are not this network's: {'; '.join(problems)}",
            "check that the factory builds the network that was trained, with the same settings",
        )
    network.load_state_dict(state, strict=True)


def listed(names: tuple[str, ...]) -> str:
    """The first few of some names, for a message."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
