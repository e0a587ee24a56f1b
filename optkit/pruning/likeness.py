"""How near a pruned network is to the original: the loss that it is trained on, and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optkit.pruning import batchnorm, features
from optkit.pruning.feeding import Feed
from optkit.pruning.teacher import Teacher

if TYPE_CHECKING:
    import torch

_BATCH = 64


class Likeness:
    """Outputs by their squared error, layers on the way by `features.distance`.

    Attributes:
        pairs: the layers that are compared on the way.
    """

    def __init__(
        self,
        student: torch.fx.GraphModule,
        teacher: torch.fx.GraphModule,
        feed: Feed,
        learnt: Sequence[int],
        *,
        features_weight: float,
        labels_weight: float,
        alive: bool,
        seed: int,
    ) -> None:
        """Nothing is computed yet but what tells how much can be kept.

        Args:
            student: is trained; on the tensors of this very graph.
            teacher: the original.
            feed: all samples.
            learnt: those that are trained on.
            features_weight: of the layers on the way beside the outputs.
            labels_weight: of the cross entropy with the labels, where there are any.
            alive: whether BatchNorm uses, and follows, the statistics of each batch.
            seed: decides how samples are mixed.
        """
        wanted = features_weight > 0 and feed.together
        self.pairs = features.anchors(student, teacher) if wanted else []
        moving = batchnorm.training(student) if alive and feed.together else student
        self._still, self._original, self._feed, self._seed = student, teacher, feed, seed
        self._student = features.tapped(moving, [pair[0] for pair in self.pairs])
        tapped = features.tapped(teacher, [pair[1] for pair in self.pairs])
        self._alike = self._same_shapes(tapped, feed.batch(learnt[:1]))
        pooled = [at for at, alike in enumerate(self._alike) if not alike]
        self._teacher = Teacher(tapped, pooled, feed, learnt, seed)
        self._weights = features_weight, labels_weight
        self._answers: dict[tuple[int, ...], Any] = {}

    def of(self, part: Sequence[int], step: int) -> torch.Tensor:
        """The loss of a batch, in training."""
        import torch

        turn = self._turn(step) if len(part) > 1 else 0
        given, want, on_the_way = self._teacher.of(part, turn)
        got, felt = self._student(*given)
        value = apart(got, want)
        by_features, by_labels = self._weights
        for mine, theirs, alike in zip(felt, on_the_way, self._alike, strict=True):
            apart_by = features.distance(mine, theirs, alike=alike)
            value = value + by_features / len(felt) * apart_by
        labels, scores = self._feed.labels_of(part), got[0]
        if labels is not None and by_labels and scores.dim() == 2 and not turn:
            told = torch.nn.functional.cross_entropy(scores, labels.long())
            value = value + by_labels * told
        return value

    def _same_shapes(self, tapped: Any, given: Sequence[torch.Tensor]) -> list[bool]:
        """Of each pair of layers on the way, whether pruning left its shape alone."""
        import torch

        still = features.tapped(self._still, [pair[0] for pair in self.pairs])
        with torch.no_grad():
            mine, theirs = still(*given)[1], tapped(*given)[1]
        return [one.shape == other.shape for one, other in zip(mine, theirs, strict=True)]

    def _turn(self, step: int) -> int:
        """The samples themselves in half of the steps, else one of their mixtures."""
        import torch

        draw = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        mixtures = self._teacher.turns - 1
        found = int(torch.randint(max(1, 2 * mixtures), (1,), generator=draw))
        return found + 1 if found < mixtures else 0

    def on(self, chosen: Sequence[int]) -> float:
        """The loss on samples, as the network will be used; of outputs alone."""
        import torch

        total, count = 0.0, 0
        with torch.no_grad():
            for part in self._feed.split(chosen, _BATCH):
                key, given = tuple(part), self._feed.batch(part)
                if key not in self._answers:
                    self._answers[key] = self._original(*given)
                total += float(apart(self._still(*given), self._answers[key])) * len(part)
                count += len(part)
        return total / count


def apart(got: Sequence[torch.Tensor], want: Sequence[torch.Tensor]) -> torch.Tensor:
    """The squared error relative to the spread of what is wanted, the mean over the outputs."""
    import torch

    parts = []
    for mine, theirs in zip(got, want, strict=True):
        if theirs.is_floating_point():
            spread = (theirs - theirs.mean()).square().mean()
            parts.append((mine - theirs).square().mean() / (spread + 1e-8))
    return torch.stack(parts).mean()
