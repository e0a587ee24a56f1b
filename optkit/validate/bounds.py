"""How close is close enough, by precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optkit.core.errors import bad_input
from optkit.validate.parity import OutputParity

BOUNDS = {"fp32": 0.9999, "fp16": 0.999, "w8a16": 0.99, "int8": 0.95, "w4a16": 0.95}
"""Least cosine of an output to the reference's, over all samples."""


@dataclass(frozen=True)
class Check:
    """One output held against its bound.

    Attributes:
        output: its name; None for the check that anything was verified at all.
        bound: the least cosine allowed.
        value: the cosine found, or None where there is none.
        held: whether it is close enough.
        reason: why not, in words; None where it held.
    """

    output: str | None
    bound: float
    value: float | None
    held: bool
    reason: str | None


def default_cosine(precision: str) -> float:
    """The least cosine for a precision.

    Raises:
        OptkitError: no such precision (bad input).
    """
    if precision not in BOUNDS:
        raise bad_input(f"unknown precision '{precision}'", f"one of {', '.join(BOUNDS)}")
    return BOUNDS[precision]


def fidelity(parities: Sequence[OutputParity], precision: str) -> list[Check]:
    """A check per output; an unverified one has none, and where all are, that is missed.

    Raises:
        OptkitError: no such precision (bad input).
    """
    bound = default_cosine(precision)
    checks = [_check(parity, bound) for parity in parities if parity.verdict == "compared"]
    if checks:
        return checks
    reason = "no output could be verified: the reference is constant in every one"
    return [Check(None, bound, None, held=False, reason=reason)]


def _check(parity: OutputParity, bound: float) -> Check:
    reason = parity.problem
    if reason is None and parity.cosine is None:
        reason = "its cosine cannot be computed"
    elif reason is None and parity.cosine is not None and parity.cosine < bound:
        reason = f"cosine {parity.cosine:.6f} is below {bound}"
    return Check(parity.name, bound, parity.cosine, reason is None, reason)
