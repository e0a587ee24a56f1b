"""How long one network takes as a share of another, in OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError
from optkit.core.settings import Settings
from optkit.core.signature import Signature

if TYPE_CHECKING:
    import numpy as np

_SECONDS = 1.0


def share_of_latency(
    before: Any, after: Any, signature: Signature, arrays: Mapping[str, np.ndarray], device: str,
    folder: Path,
) -> float:  # fmt: skip
    """The latency of `after` over that of `before`, measured in turns.

    Args:
        before: what `openvino.convert_model` takes.
        after: the other one, likewise.
        signature: of both.
        arrays: one legal input.
        device: OpenVINO's word for it.
        folder: an empty one.

    Raises:
        OptkitError: one of them cannot be measured there.
    """
    inputs = write_inputs(folder / "inputs.npz", arrays)
    contenders = tuple(
        Contender(
            name, _saved(model, signature, folder / name), "openvino", Settings(device=device),
            inputs,
        )
        for name, model in (("before", before), ("after", after))
    )  # fmt: skip
    rows = measure(Plan(contenders, seconds=_SECONDS, warmup=0.5))
    for row in rows:
        if "error" in row:
            raise OptkitError(row["error"]["message"], row["error"]["hint"])
    found = compare(rows[1], rows[0])
    assert found is not None
    return 1 / float(found["value"])


def _saved(model: Any, signature: Signature, folder: Path) -> Artifact:
    import openvino

    from optkit.formats import ir

    folder.mkdir(parents=True, exist_ok=True)
    made = openvino.convert_model(model)
    sides = ((made.inputs, signature.inputs), (made.outputs, signature.outputs))
    for ports, specs in sides:
        for port, spec in zip(ports, specs, strict=True):
            port.get_tensor().set_names({spec.name})
    path = folder / ir.FILE
    ir.save(made, path)
    files = ir.files(path)
    return Artifact("ir", path, files, signature, "", sum(file.stat().st_size for file in files))
