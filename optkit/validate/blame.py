"""Which tensor of a model first goes wrong, by how much, and what each adds to the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.core.samples import Samples
from optkit.core.tensors import Tensor
from optkit.validate.matching import Pair, match
from optkit.validate.parity import partners
from optkit.validate.sketch import Room, Sketch, parts, survey
from optkit.validate.suspects import Suspect, judge
from optkit.validate.tally import Tally, merged, tally

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.parity import Arrays
    from optkit.validate.probing import Probe


@dataclass(frozen=True)
class Findings:
    """What is wrong inside a model.

    Attributes:
        suspects: every tensor that has a partner, the one that adds most first.
        tensors: how many the reference and the model have.
        nan: the first tensor of the reference, and of the model, that holds NaN or infinity on
            the first sample, with the operation that made it; None where there is none.
    """

    suspects: tuple[Suspect, ...]
    tensors: tuple[int, int]
    nan: tuple[tuple[str, str, str] | None, tuple[str, str, str] | None]


def blame(
    reference: Probe,
    candidate: Probe,
    feeds: tuple[Callable[[Arrays], Arrays], Callable[[Arrays], Arrays]],
    samples: Samples,
    bound: float,
    progress: Callable[[int, int | None], None],
    room: Room | None = None,
) -> Findings:
    """Hold the tensors of two models against each other, a part of them at a time.

    The models run once for each part on the first sample, to find which tensor is which, and
    then once for each part on every sample; of each pair, sums alone are kept.

    Args:
        reference: the model that is right.
        candidate: the one in question.
        feeds: what either takes for a sample.
        samples: at least one.
        bound: least cosine of a tensor to its partner.
        progress: called with (done, total) parts.
        room: what may be held at once.
    """
    room = room or Room()
    first = samples.read(0)
    sketches = (
        survey(reference, feeds[0](first), room),
        survey(candidate, feeds[1](first), room),
    )
    by_output = partners(reference.outputs, candidate.outputs)
    ends = {
        reference.outputs[name]: candidate.outputs[other]
        for name, other in by_output.items()
        if other is not None and other in candidate.outputs
    }
    pairs = match(reference.tensors, candidate.tensors, sketches, ends)
    sums = _measure(reference, candidate, feeds, samples, pairs, sketches, room, progress)
    suspects = judge(reference.tensors, candidate.tensors, pairs, sums, bound)
    return Findings(
        tuple(suspects),
        (len(sketches[0]), len(sketches[1])),
        (_nan(reference, sketches[0]), _nan(candidate, sketches[1])),
    )


def _measure(
    reference: Probe,
    candidate: Probe,
    feeds: tuple[Callable[[Arrays], Arrays], Callable[[Arrays], Arrays]],
    samples: Samples,
    pairs: Sequence[Pair],
    sketches: tuple[Mapping[str, Sketch], Mapping[str, Sketch]],
    room: Room,
    progress: Callable[[int, int | None], None],
) -> dict[str, Tally]:
    """Sums by the candidate's keys."""
    partner = {pair.candidate: pair.reference for pair in pairs}
    sizes = {
        key: max(sketches[0][twin].bytes, sketches[1][key].bytes) for key, twin in partner.items()
    }
    sums: dict[str, Tally] = {}
    cut = parts(sizes, room)
    for done, keys in enumerate(cut):
        twins = list(dict.fromkeys(partner[key] for key in keys))
        right, left = candidate.open(keys), reference.open(twins)
        for index in range(samples.count):
            # read twice: a network may write into its input
            expected, got = (
                left(feeds[0](samples.read(index))),
                right(feeds[1](samples.read(index))),
            )
            for key in keys:
                one = _tally(expected.get(partner[key]), got.get(key), index)
                sums[key] = merged(sums[key], one) if key in sums else one
            del expected, got
        progress(done + 1, len(cut))
    return sums


def _tally(expected: np.ndarray | None, got: np.ndarray | None, sample: int) -> Tally:
    if expected is None or got is None:
        return Tally(broken="the tensor is missing")
    same = expected.size == got.size and [n for n in expected.shape if n != 1] == [
        n for n in got.shape if n != 1
    ]
    return tally(expected, got.reshape(expected.shape) if same else got, sample)


def _nan(probe: Probe, sketches: Mapping[str, Sketch]) -> tuple[str, str, str] | None:
    found: Tensor | None = next(
        (one for one in probe.tensors if one.key in sketches and sketches[one.key].nan), None
    )
    return None if found is None else (
        found.names[0], found.operation, sketches[found.key].nan or ""
    )  # fmt: skip
