"""Which tensor of one model is which of another's: by name, by values, by place in the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optkit.core.tensors import Tensor, behind
from optkit.validate.sketch import Sketch, likeness

if TYPE_CHECKING:
    import numpy as np

# Correlations: above the first, two tensors are taken to be the same, if either is most like the
# other; below the second, a name is not believed where another tensor is as good as equal.
_SAME, _DOUBT, _EQUAL = 0.95, 0.9, 0.999
_FEW = 64  # values, of which some are alike by chance
_QUANTIZERS = frozenset({"FakeQuantize", "DequantizeLinear"})
_FAMILIES = {
    "conv": ("conv",),
    "product": ("matmul", "gemm", "linear", "addmm", "bmm", "mm"),
    "norm": ("norm", "mvn"),
    "lookup": ("embedding", "gather", "index_select"),
    "mean": ("mean", "averagepool", "avgpool", "avg_pool"),
    "attention": ("attention",),
    "add": ("add",),
    "multiply": ("mul",),
    "max": ("maxpool", "max_pool"),
}


@dataclass(frozen=True)
class Pair:
    """Two tensors that should be equal.

    Attributes:
        reference: key in the reference.
        candidate: key in the model in question.
        by: what tells so: `output`, `name`, `values`, `place` in the graph, or `quantized`: the
            candidate's is the rounded twin of one that is paired.
    """

    reference: str
    candidate: str
    by: str


@dataclass
class _Board:
    """Who is paired so far; `table` holds correlations of tensors of one shape."""

    left: Mapping[str, Tensor]
    right: Mapping[str, Tensor]
    pairs: list[Pair] = field(default_factory=list)
    to_right: dict[str, str] = field(default_factory=dict)
    to_left: dict[str, str] = field(default_factory=dict)
    groups: dict[tuple[int, ...], tuple[list[str], list[str], np.ndarray]] = field(
        default_factory=dict
    )
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def put(self, left: str, right: str, by: str) -> None:
        self.pairs.append(Pair(left, right, by))
        self.to_right[left], self.to_left[right] = right, left

    def alike(self, left: str) -> Iterator[tuple[str, float]]:
        """Free candidates of the same shape, each with its correlation."""
        if left in self.shapes and (group := self.groups.get(self.shapes[left])):
            lefts, rights, table = group
            row = table[lefts.index(left)]
            for right, value in zip(rights, row, strict=True):
                if right not in self.to_left:
                    yield right, float(value)


def match(
    reference: Sequence[Tensor],
    candidate: Sequence[Tensor],
    sketches: tuple[Mapping[str, Sketch], Mapping[str, Sketch]],
    outputs: Mapping[str, str],
) -> list[Pair]:
    """Pair the tensors of two models, in the candidate's order.

    Args:
        reference: tensors of the reference, in the order they are computed.
        candidate: the same of the other model.
        sketches: of both, on the same input; a tensor without one is not paired.
        outputs: the candidate's key of an output by the reference's.
    """
    board = _board(reference, candidate, sketches)
    for left, right in outputs.items():
        if left in board.shapes and right in sketches[1]:
            board.put(left, right, "output")
    _by_name(board)
    _by_values(board, sketches[0])
    _by_place(board)
    _quantized(board, sketches[1])
    order = {tensor.key: place for place, tensor in enumerate(candidate)}
    return sorted(board.pairs, key=lambda pair: order[pair.candidate])


def family(operation: str) -> str:
    """One word for an operation, whatever the format calls it."""
    word = operation.rpartition("::")[2].lower().strip("_")
    for name, parts in _FAMILIES.items():
        if any(part in word for part in parts):
            return name
    return word.replace("_", "")


def _board(
    reference: Sequence[Tensor],
    candidate: Sequence[Tensor],
    sketches: tuple[Mapping[str, Sketch], Mapping[str, Sketch]],
) -> _Board:
    board = _Board({one.key: one for one in reference}, {one.key: one for one in candidate})
    lefts: dict[tuple[int, ...], list[str]] = defaultdict(list)
    rights: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for tensors, found, grouped in (
        (reference, sketches[0], lefts),
        (candidate, sketches[1], rights),
    ):
        for tensor in tensors:
            if tensor.key in found:
                grouped[found[tensor.key].shape].append(tensor.key)
    for shape, keys in lefts.items():
        board.shapes |= dict.fromkeys(keys, shape)
        if others := rights.get(shape):
            table = likeness([sketches[0][k] for k in keys], [sketches[1][k] for k in others])
            board.groups[shape] = keys, others, table
    return board


def _by_name(board: _Board) -> None:
    named = {name: key for key, one in board.right.items() for name in reversed(one.names)}
    for key, tensor in board.left.items():
        if key in board.to_right:
            continue
        choices = dict(board.alike(key))
        best = max(choices.values(), default=0.0)
        for name in tensor.names:
            other = named.get(name, "")
            if other not in choices:
                continue
            doubtful = choices[other] < _DOUBT and (name.isdigit() or best > _EQUAL)
            if not doubtful:
                board.put(key, other, "name")
                break


def _by_values(board: _Board, sketches: Mapping[str, Sketch]) -> None:
    """Pair those of which either is most like the other."""
    for lefts, rights, table in board.groups.values():
        own = [key for key in lefts if key not in board.to_right]
        free = [key for key in rights if key not in board.to_left]
        if not own or not free:
            continue
        rows = [lefts.index(key) for key in own]
        columns = [rights.index(key) for key in free]
        scores = table[rows][:, columns] + [
            [_kinship(board.left[one], board.right[two]) for two in free] for one in own
        ]
        for row, key in enumerate(own):
            column = int(scores[row].argmax())
            least = _SAME if sketches[key].values.size >= _FEW else _EQUAL
            mutual = int(scores[:, column].argmax()) == row
            if mutual and table[rows[row], columns[column]] >= least:
                board.put(key, free[column], "values")


def _kinship(one: Tensor, two: Tensor) -> float:
    """What tips the balance between tensors of nearly the same values."""
    kind = family(one.operation) == family(two.operation)
    return 1e-3 * kind + 2e-3 * (one.module is not None and one.module == two.module)


def _by_place(board: _Board) -> None:
    """Pair what is left where both are computed from paired tensors by the same kind of step."""
    for key, tensor in board.left.items():
        if key in board.to_right:
            continue
        ends, _ = behind(key, board.left, board.to_right.__contains__)
        best: tuple[float, str] | None = None
        for other, value in board.alike(key):
            twin = board.right[other]
            kind = family(tensor.operation) == family(twin.operation)
            layer = tensor.module is not None and tensor.module == twin.module
            found, _ = behind(other, board.right, board.to_left.__contains__)
            near = ends == {board.to_left.get(end, end) for end in found}
            if (near and (kind or value >= _DOUBT)) or (layer and kind):
                score = value + 0.05 * kind + 0.2 * layer + 0.2 * near
                if best is None or score > best[0]:
                    best = score, other
        if best is not None:
            board.put(key, best[1], "place")


def _quantized(board: _Board, sketches: Mapping[str, Sketch]) -> None:
    """Pair what merely rounds a paired tensor with that one's partner."""
    for key, tensor in board.right.items():
        if key in board.to_left or tensor.operation not in _QUANTIZERS or key not in sketches:
            continue
        ends, _ = behind(key, board.right, board.to_left.__contains__)
        (end, *more) = ends or ("",)
        twin = board.to_left.get(end)
        if twin is not None and not more and sketches[key].shape == board.shapes[twin]:
            board.pairs.append(Pair(twin, key, "quantized"))
            board.to_left[key] = twin
