"""What the original answers: asked once for every sample and mixture, and kept where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optkit.pruning import features
from optkit.pruning.feeding import Feed

if TYPE_CHECKING:
    import torch

    Tensors = tuple[torch.Tensor, ...]

MIXTURES = 4
"""How often each sample is mixed with another one."""

_BLOCK = 64
# Of answers and features together; more are computed again each time.
_MOST_BYTES = 2**29


class Teacher:
    """The original's answers and features, for samples as they are and mixed with one another.

    Turn 0 are the samples themselves. In each later turn every sample is mixed with a partner of
    its own, by a share from 0.5 to 1: many samples of few (arXiv 1710.09412). Partners and shares
    hang on the seed alone, and answers are computed in blocks whose order hangs on nothing: so a
    training that goes on after a kill is told the same, to the bit.

    Attributes:
        turns: how many there are; 1 where samples cannot be mixed.
    """

    def __init__(
        self,
        tapped: torch.fx.GraphModule,
        pooled: Sequence[int],
        feed: Feed,
        learnt: Sequence[int],
        seed: int,
    ) -> None:
        """Remember how samples are mixed; nothing is computed yet.

        Args:
            tapped: gives (outputs, features), see `features.tapped`.
            pooled: the features that are wanted `features.pooled`.
            feed: all samples.
            learnt: those that are trained on, and mixed with one another.
            seed: decides the mixtures.
        """
        import torch

        self._tapped, self._pooled, self._feed = tapped, set(pooled), feed
        self._learnt = list(learnt)
        self._row = {at: row for row, at in enumerate(learnt)}
        floating = all(x.is_floating_point() for x in feed.samples[0])
        self.turns = 1 + MIXTURES if feed.together and floating and len(learnt) > 1 else 1
        draw = torch.Generator().manual_seed(seed)
        count = len(self._learnt)
        self._partners = [torch.randperm(count, generator=draw).tolist() for _ in range(MIXTURES)]
        self._shares = [0.5 + 0.5 * torch.rand(count, generator=draw) for _ in range(MIXTURES)]
        self._kept: dict[int, list[torch.Tensor]] = {}
        self._known: set[tuple[int, int]] = set()
        self._most = self._turns_that_fit() if feed.together else 0

    def of(self, part: Sequence[int], turn: int) -> tuple[Tensors, Tensors, Tensors]:
        """Inputs of some learnt samples in a turn, with the outputs and features for them."""
        import torch

        given = self._inputs(part, turn)
        if turn >= self._most:
            want, felt = self._asked(given)
            return given, want, felt
        rows = [self._row[at] for at in part]
        for block in sorted({row // _BLOCK for row in rows}):
            if (turn, block) not in self._known:
                self._fill(turn, block)
        index = torch.tensor(rows)
        found = tuple(tensor.index_select(0, index) for tensor in self._kept[turn])
        return given, found[: self._outputs], found[self._outputs :]

    def _inputs(self, part: Sequence[int], turn: int) -> Tensors:
        import torch

        given = self._feed.batch(part)
        if turn == 0:
            return given
        rows = [self._row[at] for at in part]
        others = self._feed.batch([self._learnt[self._partners[turn - 1][row]] for row in rows])
        share = self._shares[turn - 1][torch.tensor(rows)]

        def mixed(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            weight = share.to(one.dtype).repeat_interleave(len(one) // len(rows))
            weight = weight.reshape(-1, *[1] * (one.dim() - 1))
            return weight * one + (1 - weight) * other

        return tuple(mixed(one, other) for one, other in zip(given, others, strict=True))

    def _asked(self, given: Tensors) -> tuple[Tensors, Tensors]:
        import torch

        with torch.no_grad():
            want, felt = self._tapped(*given)
            found = [features.pooled(x) if at in self._pooled else x for at, x in enumerate(felt)]
            return tuple(want), tuple(found)

    def _turns_that_fit(self) -> int:
        """How many turns can be kept; none where what is computed is not laid out by samples."""
        few = self._learnt[: min(2, len(self._learnt))]
        one, two = (self._asked(self._feed.batch(part)) for part in (few[:1], few))
        self._outputs = len(one[0])
        for part, found in ((few[:1], one), (few, two)):
            for tensor in (*found[0], *found[1]):
                if not tensor.dim() or len(tensor) != len(part):
                    return 0
        once: int = sum(x.numel() * x.element_size() for x in (*one[0], *one[1])) * len(
            self._learnt
        )
        return min(self.turns, _MOST_BYTES // max(1, once))

    def _fill(self, turn: int, block: int) -> None:
        start = block * _BLOCK
        part = self._learnt[start : start + _BLOCK]
        want, felt = self._asked(self._inputs(part, turn))
        count = len(self._learnt)
        if turn not in self._kept:
            self._kept[turn] = [x.new_empty((count, *x.shape[1:])) for x in (*want, *felt)]
        for place, value in zip(self._kept[turn], (*want, *felt), strict=True):
            place[start : start + len(part)] = value
        self._known.add((turn, block))
