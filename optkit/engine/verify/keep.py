"""What of a run is kept to check its result by later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.hashing import digest
from optkit.core.machine import machine
from optkit.core.preprocessing import preprocessing_to_json
from optkit.core.signature import signature_to_json, spec_to_json
from optkit.engine.running import runtime_code, runtime_versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.engine.verify.kept import Kept, write_kept

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Infer = Callable[[Arrays], Mapping[str, np.ndarray]]

_FILE = "samples.npz"


def samples_key(shop: Workshop, result: Artifact, validation: str) -> str:
    """What the samples kept of a result hang on.

    Args:
        shop: the run's source.
        result: the model.
        validation: the digest of the samples that it is validated on.
    """
    source = shop.source.artifact
    return digest({
        "question": "kept samples",
        "models": [about(source, "validation"), about(result, "validation")],
        "signature": signature_to_json(source.signature),
        "preprocessing": preprocessing_to_json(result.preprocessing),
        "data": validation,
        "seed": shop.seed,
        "versions": runtime_versions(source, result),
        "code": own_code("optkit.engine.verify.kept", *runtime_code(source, result)),
        "machine": machine(),
    })  # fmt: skip


def finish(kept: Kept, pair: tuple[Infer, Infer], shop: Workshop, result: Artifact) -> None:
    """Where inputs are too large to be kept, let both models answer one that can be made again."""
    if not kept.too_large:
        return
    source = shop.source
    origin = {
        "inputs": [spec_to_json(spec) for spec in source.artifact.signature.inputs],
        "seed": shop.seed,
        "bounds": dict(source.index_bounds),
        "preprocessing": preprocessing_to_json(result.preprocessing),
    }
    kept.derive(*pair, source.example(0), origin)


def keep_samples(kept: Kept, shop: Workshop, key: str) -> Path:
    """Put samples into the store; the file."""
    with shop.store.staging() as folder:
        output = folder / "output"
        output.mkdir()
        write_kept(kept, output / _FILE)
        return shop.store.keep(key, output, {"samples": len(kept.expected)}).folder / _FILE


def known_samples(shop: Workshop, key: str) -> Path | None:
    """The file that an earlier run kept."""
    entry = shop.store.find(key)
    return entry.folder / _FILE if entry else None
