"""A few inputs and what both models gave for them: kept beside a model, to check it by later.

They are small: a few hundred kB of inputs, and of each output at most a thousand values, evenly
spread. Inputs that are larger are not kept, but made again from the seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.preprocessing import preprocessing_from_json, raw_inputs
from optkit.core.signature import spec_from_json

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Infer = Callable[[Arrays], Mapping[str, np.ndarray]]

SCHEMA = "optkit/samples/1"

SUFFIX = ".samples.npz"
"""What stands behind an artifact's name in that of the file."""

_MOST = 8
_BUDGET = 256_000
_LARGEST = 1_000_000
_VALUES = 1000

Row = dict[str, Any]


@dataclass
class Kept:
    """Inputs as a model is fed with them, what it gave, and what its source gave.

    Attributes:
        inputs: by input name, one of each sample; as long as the other two unless `derived`.
        expected: what the source gave.
        got: what the model gave.
        derived: what a single input that is too large to keep is made from again.
    """

    inputs: list[Arrays] = field(default_factory=list)
    expected: list[Arrays] = field(default_factory=list)
    got: list[Arrays] = field(default_factory=list)
    derived: Row | None = None
    _count: int | None = None

    @property
    def too_large(self) -> bool:
        """Whether an input came by that is not to be kept."""
        return self._count == 0

    def _expecting(self, infer: Infer) -> Infer:
        def run(arrays: Arrays) -> Mapping[str, np.ndarray]:
            outputs = infer(arrays)
            if self._count is None:
                self._count = _fitting(arrays)
            if len(self.expected) < self._count:
                self.expected.append(thinned(outputs))
            return outputs

        return run

    def _getting(self, infer: Infer) -> Infer:
        def run(arrays: Arrays) -> Mapping[str, np.ndarray]:
            keep = len(self.got) < len(self.expected)
            if keep:  # a network may write into its input
                self.inputs.append({name: array.copy() for name, array in arrays.items()})
            outputs = infer(arrays)
            if keep:
                self.got.append(thinned(outputs))
            return outputs

        return run

    def watching(self, expected: Infer, got: Infer) -> tuple[Infer, Infer]:
        """Both inferences, looked on as the first samples come by, the source's before the other.

        Args:
            expected: the source's.
            got: the model's, on inputs as it takes them.
        """
        return self._expecting(expected), self._getting(got)

    def derive(self, expected: Infer, got: Infer, example: Arrays, origin: Row) -> None:
        """Keep what both give for an input that can be made again.

        Args:
            expected: the source's inference.
            got: the model's, on inputs as it takes them.
            example: the input, as the source takes it.
            origin: `inputs`, `seed`, `bounds` and `preprocessing` that it is made from.
        """
        self.derived = {**origin, "sha256": _digest(example)}
        fed = raw_inputs(example, preprocessing_from_json(origin["preprocessing"]))
        self.expected, self.inputs = [thinned(expected(example))], []
        self.got = [thinned(got(fed))]


def write_kept(kept: Kept, path: Path) -> None:
    """Write an `.npz` that equal content gives equal bytes of."""
    import numpy as np

    members: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    for kind in ("inputs", "expected", "got"):
        rows: Sequence[Arrays] = getattr(kept, kind)
        names[kind] = list(rows[0]) if rows else []
        for at, row in enumerate(rows):
            for position, array in enumerate(row.values()):
                members[f"{kind}.{at}.{position}"] = array
    about = {
        "schema": SCHEMA,
        "samples": len(kept.expected),
        "names": names,
        "derived": kept.derived,
    }
    with path.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **members)


def read_kept(path: Path) -> Kept:
    """The inverse; an input that was not kept is made again.

    Raises:
        ValueError: broken, of another schema, or the input made again is not the same.
        OSError: it cannot be read.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about["schema"] != SCHEMA:
                raise ValueError(f"of the schema '{about['schema']}'")
            kept = Kept(derived=about["derived"])
            for kind, names in about["names"].items():
                rows = getattr(kept, kind)
                for at in range(about["samples"] if names else 0):
                    rows.append({
                        name: file[f"{kind}.{at}.{position}"] for position, name in enumerate(names)
                    })
    except (KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"broken: {error}") from error
    if kept.derived:
        kept.inputs = [_made_again(kept.derived)]
    return kept


def thinned(outputs: Arrays) -> dict[str, np.ndarray]:
    """At most a thousand values of each output, evenly spread over it, in one row."""
    found = {}
    for name, array in outputs.items():
        flat = array.reshape(-1)
        found[name] = flat[:: max(1, -(-flat.size // _VALUES))].copy()
    return found


def _fitting(arrays: Arrays) -> int:
    """How many samples like this one are kept; none where one is too large, or no plain array."""
    size = sum(array.nbytes for array in arrays.values())
    plain = all(array.dtype.kind in "fiub" for array in arrays.values())
    if size > _LARGEST or not plain:
        return 0
    return max(1, min(_MOST, _BUDGET // max(size, 1)))


def _made_again(origin: Row) -> Arrays:
    from optkit.data.synthesise import synthesise

    inputs = tuple(map(spec_from_json, origin["inputs"]))
    example = synthesise(inputs, 1, origin["seed"], origin["bounds"]).read(0)
    if _digest(example) != origin["sha256"]:
        raise ValueError("its input cannot be made again with this numpy")
    return raw_inputs(example, preprocessing_from_json(origin["preprocessing"]))


def _digest(arrays: Arrays) -> str:
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
