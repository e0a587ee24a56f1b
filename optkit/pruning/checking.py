"""A cut network run beside the original, before it is passed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError
from optkit.pruning.structure import Structure

if TYPE_CHECKING:
    import torch


def checked(
    structure: Structure, network: torch.fx.GraphModule, inputs: Sequence[Sequence[Any]]
) -> None:
    """Run a cut network beside the original.

    Raises:
        OptkitError: it does not run, or gives another shape or what is not finite.
    """
    import torch

    for given in inputs:
        with torch.no_grad():
            want = structure.network(*given)
            try:
                got = network(*given)
            except Exception as error:
                raise _broken(f"does not run: {error}") from error
        for before, after in zip(want, got, strict=True):
            if before.shape != after.shape or before.dtype != after.dtype:
                raise _broken(f"gives {tuple(after.shape)} in place of {tuple(before.shape)}")
            if (
                before.is_floating_point()
                and before.isfinite().all()
                and not after.isfinite().all()
            ):
                raise _broken("gives values that are not finite")


def _broken(what: str) -> OptkitError:
    return OptkitError(
        f"the pruned network {what}; it is not passed on",
        "keep the layers concerned out of it: ignored_scope",
    )
