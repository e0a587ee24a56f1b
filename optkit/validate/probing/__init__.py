"""Looks into a model: gives tensors that it computes on the way, a few at a time.

A file per runtime; its name is the runtime's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from optkit.core.artifact import Artifact
from optkit.core.tensors import Tensor

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Infer = Callable[[Arrays], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Probe:
    """A model that can be looked into.

    Attributes:
        tensors: all that it can give, in the order they are computed.
        outputs: the key of the tensor behind each floating output, by the output's name.
        open: an inference that gives the tensors of these keys and no others, as floating arrays
            by key; those that turn out not to be floating are left out.
    """

    tensors: tuple[Tensor, ...]
    outputs: Mapping[str, str]
    open: Callable[[Sequence[str]], Infer]


def open_probe(artifact: Artifact, runtime: str, example: Arrays) -> Probe:
    """Look into a model.

    Args:
        artifact: the model, its signature whole.
        runtime: the word of the runtime that runs it.
        example: one legal input; a network without a graph shows what is in it by running.

    Raises:
        OptkitError: the runtime does not load it.
    """
    module = import_module(f"optkit.validate.probing.{runtime}")
    return cast(Probe, module.probe(artifact, example))
