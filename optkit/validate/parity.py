"""Compares the outputs of two networks over samples, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from optkit.core.samples import Samples
from optkit.validate.tally import TINY, Tally, merged, tally

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Infer = Callable[[Arrays], Mapping[str, np.ndarray]]

_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class OutputParity:
    """How close one output is to the reference, over all samples and elements, in float64.

    Figures are None where they do not exist: an output that is missing or of another shape.

    Attributes:
        name: of the reference's output.
        max_abs: largest |Δ|; a mismatch of integer or bool values counts by their difference.
        max_rel: max|Δ| / max|reference|.
        cosine: of the two outputs, each as one long vector.
        sqnr_db: 10·log10(Σ reference² / ΣΔ²) in dB; None too where there is no noise at all
            (`max_abs` 0) or no signal.
        verdict: `unverified` where the reference is constant or next to zero, over samples and
            elements: agreement then proves nothing.
        problem: what is wrong, in words; None where nothing is.
        elements: values compared.
    """

    name: str
    max_abs: float | None
    max_rel: float | None
    cosine: float | None
    sqnr_db: float | None
    verdict: Literal["compared", "unverified"]
    problem: str | None
    elements: int


def compare(
    reference: Infer,
    candidate: Infer,
    samples: Samples,
    progress: Callable[[int, int | None], None],
) -> list[OutputParity]:
    """Run both networks once on every sample and compare what they give.

    Args:
        reference: arrays by input name to arrays by output name.
        candidate: the same, of the network in question.
        samples: at least one.
        progress: called with (done, total).
    """
    state: dict[str, Tally] = {}
    for index in range(samples.count):
        # read twice: a network may write into its input
        expected, got = reference(samples.read(index)), candidate(samples.read(index))
        state = add(state, expected, got, index)
        progress(index + 1, samples.count)
    return [finish(name, total) for name, total in state.items()]


def add(
    state: Mapping[str, Tally], reference: Arrays, candidate: Arrays, sample: int
) -> dict[str, Tally]:
    """The state (at first empty) with one more sample's outputs in it."""
    partner = partners(reference, candidate)
    result = dict(state)
    for name, expected in reference.items():
        other = partner[name]
        one = (
            Tally(broken="the output is missing")
            if other is None
            else tally(expected, candidate[other], sample)
        )
        result[name] = merged(state[name], one) if name in state else one
    return result


def partners(reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> dict[str, str | None]:
    """The candidate's output for each of the reference's.

    By name; where no name fits, the one at the same position, unless the reference has its name.
    """
    names = list(candidate)
    result: dict[str, str | None] = {}
    for position, name in enumerate(reference):
        at_position = names[position] if position < len(names) else None
        if name in candidate:
            result[name] = name
        else:
            result[name] = None if at_position in reference else at_position
    return result


def finish(name: str, total: Tally) -> OutputParity:
    """The figures of one output after its last sample."""
    if total.broken:
        return OutputParity(name, None, None, None, None, "compared", total.broken, total.elements)
    problem = total.problem
    unverified = problem is None and _constant(total)
    if (
        problem is None
        and not unverified
        and total.candidate_std <= _NEGLIGIBLE * total.reference_std
    ):
        problem = "the result is constant where the reference varies"
    return OutputParity(
        name,
        _finite(total.max_abs),
        _finite(_max_rel(total)),
        _finite(_cosine(total)),
        _finite(_sqnr_db(total)),
        "unverified" if unverified else "compared",
        problem,
        total.elements,
    )


def to_json(parity: OutputParity) -> dict[str, Any]:
    """One row as the manifest writes it; every number is finite or null."""
    return asdict(parity)


def from_json(row: Mapping[str, Any]) -> OutputParity:
    """The inverse of `to_json`."""
    return OutputParity(**row)


def _constant(total: Tally) -> bool:
    """Whether the reference varies too little, over samples and elements, to prove anything."""
    largest = total.reference_max
    return largest < TINY or total.reference_std <= _NEGLIGIBLE * largest


def _max_rel(total: Tally) -> float | None:
    if total.max_abs == 0:
        return 0.0
    return total.max_abs / total.reference_max if total.reference_max else None


def _cosine(total: Tally) -> float:
    if total.error_sq == 0:
        return 1.0
    norms = total.reference_sq**0.5 * total.candidate_sq**0.5
    return min(1.0, max(-1.0, total.dot / norms)) if norms else 0.0


def _sqnr_db(total: Tally) -> float | None:
    import math

    if total.error_sq == 0 or total.reference_sq == 0:
        return None
    return 10 * (math.log10(total.reference_sq) - math.log10(total.error_sq))


def _finite(value: float | None) -> float | None:
    import math

    return value if value is not None and math.isfinite(value) else None
