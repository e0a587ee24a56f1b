"""What is summed up of one output; two tallies merge into that of all their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TINY = 1e-20
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Tally:
    """Sums over the values that are finite in both outputs.

    Attributes:
        elements: values seen, infinite ones too.
        finite: values summed.
        max_abs: largest |Δ|.
        reference_max: largest |reference|.
        reference_sq: Σ reference².
        candidate_sq: Σ candidate².
        error_sq: ΣΔ².
        dot: Σ reference·candidate.
        reference_mean: mean of the reference.
        reference_dev: Σ (reference − mean)².
        candidate_mean: mean of the candidate.
        candidate_dev: Σ (candidate − mean)².
        problem: the first NaN or infinity where there should be none, in words.
        broken: why the outputs cannot be compared at all, in words.
    """

    elements: int = 0
    finite: int = 0
    max_abs: float = 0.0
    reference_max: float = 0.0
    reference_sq: float = 0.0
    candidate_sq: float = 0.0
    error_sq: float = 0.0
    dot: float = 0.0
    reference_mean: float = 0.0
    reference_dev: float = 0.0
    candidate_mean: float = 0.0
    candidate_dev: float = 0.0
    problem: str | None = None
    broken: str | None = None

    @property
    def reference_std(self) -> float:
        """Standard deviation of the reference."""
        return float((self.reference_dev / self.finite) ** 0.5) if self.finite else 0.0

    @property
    def candidate_std(self) -> float:
        """Standard deviation of the candidate."""
        return float((self.candidate_dev / self.finite) ** 0.5) if self.finite else 0.0


def tally(reference: np.ndarray, candidate: np.ndarray, sample: int) -> Tally:
    """The tally of one output on one sample, computed in float64, a block at a time."""
    if reference.shape != candidate.shape:
        return Tally(
            broken=f"the shape is {candidate.shape}, the reference's {reference.shape} "
            f"(sample {sample})"
        )
    total = Tally()
    expected, got = reference.reshape(-1), candidate.reshape(-1)
    for start in range(0, expected.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        total = merged(total, _block(expected[block], got[block], sample))
    return total


def merged(a: Tally, b: Tally) -> Tally:
    """The tally of the values of both."""
    finite = a.finite + b.finite
    reference_mean, reference_dev = _spread(
        a.finite, a.reference_mean, a.reference_dev, b.finite, b.reference_mean, b.reference_dev
    )
    candidate_mean, candidate_dev = _spread(
        a.finite, a.candidate_mean, a.candidate_dev, b.finite, b.candidate_mean, b.candidate_dev
    )
    return Tally(
        elements=a.elements + b.elements,
        finite=finite,
        max_abs=max(a.max_abs, b.max_abs),
        reference_max=max(a.reference_max, b.reference_max),
        reference_sq=a.reference_sq + b.reference_sq,
        candidate_sq=a.candidate_sq + b.candidate_sq,
        error_sq=a.error_sq + b.error_sq,
        dot=a.dot + b.dot,
        reference_mean=reference_mean,
        reference_dev=reference_dev,
        candidate_mean=candidate_mean,
        candidate_dev=candidate_dev,
        problem=a.problem or b.problem,
        broken=a.broken or b.broken,
    )


def _spread(
    n: int, mean: float, dev: float, m: int, other_mean: float, other_dev: float
) -> tuple[float, float]:
    """Mean and sum of squared deviations of two groups together (Chan's formula).

    The plain Σx² − (Σx)²/n would lose the spread of values far from zero.
    """
    if n + m == 0:
        return 0.0, 0.0
    delta = other_mean - mean
    return mean + delta * m / (n + m), dev + other_dev + delta * delta * n * m / (n + m)


def _block(reference: np.ndarray, candidate: np.ndarray, sample: int) -> Tally:
    import numpy as np

    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    problem = _problem(r, c, sample)
    both = np.isfinite(r) & np.isfinite(c)
    elements = r.size
    r, c = r[both], c[both]
    if r.size == 0:
        return Tally(elements=elements, problem=problem)
    error = c - r
    return Tally(
        elements=elements,
        finite=r.size,
        max_abs=float(np.abs(error).max()),
        reference_max=float(np.abs(r).max()),
        reference_sq=float(r @ r),
        candidate_sq=float(c @ c),
        error_sq=float(error @ error),
        dot=float(r @ c),
        reference_mean=float(r.mean()),
        reference_dev=float(np.square(r - r.mean()).sum()),
        candidate_mean=float(c.mean()),
        candidate_dev=float(np.square(c - c.mean()).sum()),
        problem=problem,
    )


def _problem(r: np.ndarray, c: np.ndarray, sample: int) -> str | None:
    """What is not finite and should be; infinities that both have are right."""
    import numpy as np

    if np.isnan(r).any():
        return f"the source model gives NaN (sample {sample})"
    if np.isnan(c).any():
        return f"the result holds NaN (sample {sample})"
    differs = np.isinf(c) & (c != r)
    if differs.any():
        return f"the result holds Inf where the reference does not (sample {sample})"
    lost = np.isinf(r) & (c != r)
    if lost.any():
        return f"the result is finite where the reference is infinite (sample {sample})"
    return None
