"""Several targets of one run, held against the source and against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.errors import Exit
from optkit.core.events import Event
from optkit.core.machine import machine
from optkit.core.preprocessing import preprocessing_to_json
from optkit.core.signature import signature_to_json
from optkit.engine.data import Data
from optkit.engine.proof import fed, inference, on_the_same_image
from optkit.engine.running import runtime_code, runtime_versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop

Row = dict[str, Any]

SOURCE = "source"
"""What the run's own model is called among its results."""


def parity_of(
    shop: Workshop, results: Sequence[Artifact], against_source: Sequence[Row], data: Data, *,
    again: bool,
) -> Row | None:  # fmt: skip
    """How close several results are to the source and to each other; None of a single one.

    Args:
        shop: the run's source, store and listener.
        results: the models that were made.
        against_source: their validation rows, in the same order.
        data: the validation samples.
        again: repeat it even where it is known.

    Returns:
        {samples, data, models: [{name, format}], pairs: [{reference, candidate, outputs}],
        cosine: [[...]], max_abs: [[...]]}. The first model is the source. The tables hold the
        worst over the outputs, None where an output proves nothing or cannot be compared.
    """
    if len(results) < 2:
        return None
    source = shop.source.artifact
    models = [{"name": SOURCE, "format": source.format}]
    models += [{"name": one.path.name, "format": one.format} for one in results]
    pairs = [
        {"reference": SOURCE, "candidate": one.path.name, "outputs": row["outputs"]}
        for one, row in zip(results, against_source, strict=True)
    ]
    shop.listen(Event("start", "parity", f"{len(results)} results among each other"))
    left = list(combinations(results, 2))
    for done, (first, second) in enumerate(left, 1):
        outputs = _compared(shop, first, second, data, again=again)
        names = {"reference": first.path.name, "candidate": second.path.name}
        pairs.append({**names, "outputs": outputs})
        shop.listen(Event("progress", "parity", "", done, len(left)))
    shop.listen(Event("end", "parity", "done"))
    return {
        "samples": data.validation.count,
        "data": data.validation.origin,
        "models": models,
        "pairs": pairs,
        "cosine": _matrix(models, pairs, "cosine", min, 1.0),
        "max_abs": _matrix(models, pairs, "max_abs", max, 0.0),
    }


def _compared(
    shop: Workshop, first: Artifact, second: Artifact, data: Data, *, again: bool
) -> list[Row]:
    """The outputs of two results on the validation samples, a row each; remembered."""
    question = {
        "models": [about(first, "parity"), about(second, "parity")],
        "signature": signature_to_json(first.signature),
        "preprocessing": [preprocessing_to_json(one.preprocessing) for one in (first, second)],
        "data": data.validation.digest,
        "versions": runtime_versions(first, second),
        "code": own_code("optkit.validate.parity", "optkit.data.read",
                         *runtime_code(first, second)),
        "machine": machine(),
    }  # fmt: skip

    def measure() -> list[Row]:
        from optkit.validate.parity import compare, to_json

        found = compare(
            _run(first, second, data), _run(second, first, data), data.validation, _silent
        )
        return [to_json(one) for one in found]

    rows: list[Row] = shop.store.fact(question, measure, again=again)
    return rows


def _run(model: Artifact, other: Artifact, data: Data) -> Callable[..., Any]:
    """The model's inference on the source's inputs, where the two prepare images differently."""
    run = inference(model, Exit.FAILED)
    if model.preprocessing or not other.preprocessing:
        return fed(run, model)
    return on_the_same_image(run, other, data.validation)


def _silent(_done: int, _total: int | None) -> None:
    pass


def _matrix(
    models: Sequence[Row], pairs: Sequence[Row], key: str, worst: Callable[..., Any], same: float
) -> list[list[float | None]]:
    names = [model["name"] for model in models]
    cells: dict[tuple[str, str], float | None] = {(name, name): same for name in names}
    for pair in pairs:
        clear = all(row["verdict"] == "compared" and not row["problem"] for row in pair["outputs"])
        values = [row[key] for row in pair["outputs"]] if clear else []
        value = worst(values) if values and None not in values else None
        cells[pair["reference"], pair["candidate"]] = value
        cells[pair["candidate"], pair["reference"]] = value
    return [[cells[row, column] for column in names] for row in names]
