"""How close is close enough, by precision."""

from __future__ import annotations

from optkit.core.errors import bad_input

BOUNDS = {"fp32": 0.9999, "fp16": 0.999, "w8a16": 0.99, "int8": 0.95, "w4a16": 0.95}
"""Least cosine of an output to the reference's, over all samples."""


def default_cosine(precision: str) -> float:
    """The least cosine for a precision.

    Raises:
        OptkitError: no such precision (bad input).
    """
    if precision not in BOUNDS:
        raise bad_input(f"unknown precision '{precision}'", f"one of {', '.join(BOUNDS)}")
    return BOUNDS[precision]
