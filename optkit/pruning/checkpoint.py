"""What a training can go on from after it was killed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.pruning.weights import put, values

if TYPE_CHECKING:
    import torch

_FILE = "checkpoint.pt"


@dataclass
class State:
    """Where a training stands.

    Attributes:
        best: the least loss on held-out samples so far.
        planned: steps in all.
        weights: those of the best epoch, by name.
        steps: done so far.
        stale: epochs since the best one.
        seconds: spent so far, by all processes that had a hand in it.
        stepping: of these, in steps.
    """

    best: float
    planned: int
    weights: dict[str, torch.Tensor]
    steps: int = 0
    stale: int = 0
    seconds: float = 0.0
    stepping: float = 0.0


def saved(folder: Path, state: State, network: torch.fx.GraphModule, optimizer: Any) -> None:
    """Write a checkpoint; the one before stays until this one is whole."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_FILE}.part"
    torch.save(
        {"state": asdict(state), "network": values(network), "optimizer": optimizer.state_dict()},
        part,
    )  # fmt: skip
    part.replace(folder / _FILE)


def restored(
    folder: Path | None, fresh: State, network: torch.fx.GraphModule, optimizer: Any
) -> State:
    """The state of a checkpoint, its weights put into the network; the fresh one without any."""
    import torch

    path = None if folder is None else folder / _FILE
    if path is None or not path.is_file():
        return fresh
    try:
        found = torch.load(path, weights_only=True)
        state = State(**found["state"])
        put(network, found["network"])
        optimizer.load_state_dict(found["optimizer"])
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError):
        return fresh  # a damaged one is as good as none
    return state
