"""What a pass was told while it ran, beyond its input: samples, and answers of a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optkit.core.hashing import digest
from optkit.core.samples import Samples

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

Decision = Mapping[str, Any]
"""What was measured once: the `module` that asked, the digest of its `question`, the `answer`."""


@dataclass
class Witness:
    """Looks on as one pass runs.

    Attributes:
        known: what measurements decided in the run that is repeated; they are not made again.
        indices: of the calibration samples that were read.
        decisions: what was decided.
    """

    known: Sequence[Decision] = ()
    indices: set[int] = field(default_factory=set)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def samples(self) -> str:
        """The samples that were read, as `0-47, 50`; empty where none was."""
        return spans(self.indices)

    def read(self, samples: Samples, index: int) -> Arrays:
        """A sample, noted down."""
        self.indices.add(index)
        return samples.read(index)

    def decide(self, module: str, question: Any, measure: Callable[[], Any]) -> Any:
        """What a measurement says, or said when the run that is repeated asked the same.

        The machine that a question names is no part of it: the answer is to be the same elsewhere.
        """
        asked = digest(
            {key: value for key, value in question.items() if key != "machine"}
            if isinstance(question, Mapping)
            else question
        )
        for one in self.known:
            if one["module"] == module and one["question"] == asked:
                answer = one["answer"]
                break
        else:
            answer = measure()
        self.decisions.append({"module": module, "question": asked, "answer": answer})
        return answer


def spans(indices: Iterable[int]) -> str:
    """Whole numbers as spans, such as `0-47, 50`."""
    found: list[list[int]] = []
    for index in sorted(indices):
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return ", ".join(f"{low}-{high}" if high > low else str(low) for low, high in found)
