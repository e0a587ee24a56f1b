"""How much each tensor adds to a model's loss, and which is the first to harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optkit.core.tensors import Tensor, behind
from optkit.validate.matching import Pair
from optkit.validate.parity import OutputParity, finish
from optkit.validate.tally import Tally

EXACT_DB = 140.0
"""SQNR beyond which float32 rounding is all that differs."""

_SOURCE = "the source model"
_SLIGHT = 1e-3

_Path = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Suspect:
    """A tensor held against its partner in the reference, over all samples.

    Attributes:
        rank: 1 for the one that adds most to the loss.
        tensor: its name.
        operation: what made it.
        layer: of the source's code, where either model tells.
        source: the name of its partner in the reference.
        source_operation: what made that.
        matched: what tells that they are partners, see `Pair.by`.
        through: names of tensors on the way from `inputs` that have no partner.
        inputs: names of the nearest tensors that it is computed from and that have one.
        parity: how close it is.
        inputs_sqnr_db: of the worst of `inputs`, at most 140; 140 where it hangs on the model's
            inputs alone.
        noise: share of noise in its power, ΣΔ² / (Σ reference² + ΣΔ²): 0 is exact; 1 is lost.
        added: `noise` less that of the worst of `inputs`, at least 0.
        below: whether it is below the bound, or holds NaN where the reference does not.
        first: whether it is the first below, and what is computed from it is below too.
    """

    rank: int
    tensor: str
    operation: str
    layer: str | None
    source: str
    source_operation: str
    matched: str
    through: tuple[str, ...]
    inputs: tuple[str, ...]
    parity: OutputParity
    inputs_sqnr_db: float
    noise: float
    added: float
    below: bool
    first: bool = False

    @property
    def sqnr_db(self) -> float:
        """At most 140: beyond that, nothing but rounding differs."""
        exact = self.parity.max_abs == 0 or self.noise == 0
        return EXACT_DB if exact else min(EXACT_DB, self.parity.sqnr_db or 0.0)


def to_json(suspect: Suspect) -> dict[str, Any]:
    """One row as `optkit blame --json` prints it."""
    row = asdict(suspect)
    parity = row.pop("parity")
    told = {key: parity[key] for key in ("cosine", "max_abs", "max_rel", "problem", "verdict")}
    drop = max(0.0, suspect.inputs_sqnr_db - suspect.sqnr_db)
    return {**row, **told, "sqnr_db": suspect.sqnr_db, "drop_db": drop}


def share(total: Tally) -> float:
    """Share of noise in a tensor's power; 1 where it cannot be compared."""
    if total.broken or (total.problem and not total.problem.startswith(_SOURCE)):
        return 1.0
    power = total.reference_sq + total.error_sq
    return total.error_sq / power if power else 0.0


def judge(
    reference: Sequence[Tensor],
    candidate: Sequence[Tensor],
    pairs: Sequence[Pair],
    sums: Mapping[str, Tally],
    bound: float,
) -> list[Suspect]:
    """What each pair adds to the loss, the one that adds most first.

    Args:
        reference: tensors of the model that is right.
        candidate: tensors of the one in question.
        pairs: which of them belong together, in the candidate's order.
        sums: of each pair over all samples, by the candidate's key.
        bound: least cosine.
    """
    left = {tensor.key: tensor for tensor in reference}
    right = {tensor.key: tensor for tensor in candidate}
    pairs, paths = _believed(pairs, right, {key: share(total) for key, total in sums.items()})
    found: dict[str, Suspect] = {}
    for pair in pairs:
        key, (inputs, between) = pair.candidate, paths[pair.candidate]
        tensor, twin, noise = right[key], left[pair.reference], share(sums[key])
        parity = finish(tensor.names[0], sums[key])
        found[key] = Suspect(
            rank=0,
            tensor=tensor.names[0],
            operation=tensor.operation,
            layer=twin.module or tensor.module,
            source=twin.names[0],
            source_operation=twin.operation,
            matched=pair.by,
            through=tuple(right[other].names[0] for other in reversed(between)),
            inputs=tuple(right[end].names[0] for end in inputs),
            parity=parity,
            inputs_sqnr_db=min((found[end].sqnr_db for end in inputs), default=EXACT_DB),
            noise=noise,
            added=max(0.0, noise - max((found[end].noise for end in inputs), default=0.0)),
            below=_below(parity, bound),
        )
    readers = {key: [other for other in found if key in paths[other][0]] for key in found}
    first = _first(found, readers)
    ranked = sorted(found, key=lambda key: -found[key].added)
    return [
        replace(found[key], rank=rank, first=key == first) for rank, key in enumerate(ranked, 1)
    ]


def _believed(
    pairs: Sequence[Pair], right: Mapping[str, Tensor], noise: Mapping[str, float]
) -> tuple[list[Pair], dict[str, _Path]]:
    """The pairs without those that are none, and what each of their tensors is computed from.

    No step that reads one tensor alone takes its noise away: where the next one has next to none,
    the two are not the same tensor (a convolution before and after BatchNorm was folded in).
    """
    kept = list(pairs)
    while True:
        there = {pair.candidate: None for pair in kept}
        paths: dict[str, _Path] = {}
        for key in there:
            ends, between = behind(key, right, there.__contains__)
            inputs = tuple(end for end in paths if end in ends)  # what comes before, in order
            paths[key] = inputs, between
        alone: dict[str, list[str]] = {}
        for key, (inputs, _) in paths.items():
            if len(inputs) == 1:
                alone.setdefault(inputs[0], []).append(key)
        wrong = {
            pair.candidate
            for pair in kept
            if pair.by in {"values", "place"}
            and noise[pair.candidate] > _SLIGHT
            and pair.candidate in alone
            and all(noise[n] < noise[pair.candidate] / 10 for n in alone[pair.candidate])
        }
        if not wrong:
            return kept, paths
        kept = [pair for pair in kept if pair.candidate not in wrong]


def _below(parity: OutputParity, bound: float) -> bool:
    if parity.problem:
        return not parity.problem.startswith(_SOURCE)
    return parity.verdict == "compared" and parity.cosine is not None and parity.cosine < bound


def _first(found: Mapping[str, Suspect], readers: Mapping[str, Sequence[str]]) -> str | None:
    """The first tensor below the bound that harms: something computed from it is below as well.

    What nothing else shows is masked out later on, or was paired with the wrong partner.
    """
    below = [key for key, suspect in found.items() if suspect.below]
    harmful = [k for k in below if not readers[k] or any(found[r].below for r in readers[k])]
    return next(iter(harmful), None)
