"""Which channels can only go together: a union-find over single indices of tensors' axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Axis = np.ndarray | None
    """The atoms along an axis, one per index, int64; None where nothing can be taken away."""

    Axes = list[Axis]
    """One `Axis` per axis of a tensor."""

FIXED = 0
"""The atom of an index that must stay."""


class Coupling:
    """Atoms, which of them go together, and which must stay.

    An atom stands for one index of one axis of a weight; every tensor that is computed has atoms
    along its axes, the same ones where an index lives and dies with the weight's.

    Attributes:
        count: how many atoms there are.
    """

    def __init__(self) -> None:
        import numpy as np

        self._parent = np.zeros(1, np.int64)
        self.count = 1
        self._why: dict[int, str] = {FIXED: "is no weight's"}

    def fresh(self, size: int) -> np.ndarray:
        """So many new atoms, each by itself."""
        import numpy as np

        made = np.arange(self.count, self.count + size)
        self.count += size
        if self.count > len(self._parent):
            room = np.arange(2 * self.count)
            room[: len(self._parent)] = self._parent
            self._parent = room
        return made

    def tie(self, one: Axis, other: Axis, where: str) -> None:
        """Two axes of the same indices: what goes from one goes from the other."""
        if one is None or other is None or len(one) != len(other):
            self.fix(one, where)
            self.fix(other, where)
            return
        first, second = self.roots(one), self.roots(other)
        for a, b in zip(first[first != second], second[first != second], strict=True):
            self._join(int(a), int(b), where)

    def gather(self, rows: np.ndarray, where: str) -> None:
        """Atoms of shape (units, members): the members of each unit go together."""
        for column in range(1, rows.shape[1]):
            self.tie(rows[:, 0], rows[:, column], where)

    def fix(self, axis: Axis, why: str) -> None:
        """These must stay."""
        import numpy as np

        if axis is None:
            return
        for root in np.unique(self.roots(axis)):
            self._why.setdefault(int(root), why)

    def roots(self, axis: np.ndarray) -> np.ndarray:
        """For each atom, the one that stands for all that go with it."""
        parent = self._parent
        found: np.ndarray = parent[axis]
        while True:
            above = parent[found]
            if (above == found).all():
                break
            found = above
        parent[axis] = found
        return found

    def why_fixed(self, root: int) -> str | None:
        """Why what `root` stands for must stay; None where it can go."""
        return self._why.get(root)

    def _join(self, a: int, b: int, where: str) -> None:
        a, b = self._find(a), self._find(b)
        if a == b:
            return
        if FIXED in {a, b}:  # many things are fixed, each for a reason of its own
            self._why.setdefault(a or b, where)
            return
        low, high = min(a, b), max(a, b)
        self._parent[high] = low
        if why := self._why.pop(high, None):
            self._why.setdefault(low, why)

    def _find(self, atom: int) -> int:
        parent = self._parent
        while parent[atom] != atom:
            parent[atom] = parent[parent[atom]]
            atom = int(parent[atom])
        return atom
