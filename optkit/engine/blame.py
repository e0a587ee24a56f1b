"""Which tensor of a model first goes wrong against a reference: `optkit blame`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.catalogue import runtime_of
from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.events import Event, Listener
from optkit.core.preprocessing import prepared_inputs, raw_inputs
from optkit.engine.comparison import lowest, read_peer
from optkit.engine.data import Data
from optkit.engine.proof import summarise, validate
from optkit.engine.stage import Workshop
from optkit.engine.workplace import Wishes, open_workshop, workplace
from optkit.recipe.load import LoadedRecipe
from optkit.validate.bounds import BOUNDS

if TYPE_CHECKING:
    from optkit.core.contract import Arrays
    from optkit.validate.blame import Findings
    from optkit.validate.probing import Probe
    from optkit.validate.sketch import Room

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a user says beside the models.

    Attributes:
        samples: how many of the validation samples are looked at, at most.
        cosine: least cosine of a tensor; None: the default of the model's lowest precision.
        room: what may be held at once; None for the default.
    """

    samples: int = 16
    cosine: float | None = None
    room: Room | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise bad_input(f"{self.samples} samples show nothing", "give --samples 1 or more")
        if self.cosine is not None and not -1 <= self.cosine <= 1:
            raise bad_input(f"{self.cosine} is no cosine", "give --min-cosine between 0 and 1")


def blame_model(
    loaded: LoadedRecipe, path: Path, asked: Asked, wishes: Wishes, listen: Listener
) -> Row:
    """Hold the tensors of the model at `path` against those of the recipe's model.

    Returns:
        What `optkit blame --json` prints: {reference, model, samples, data, bound, outputs,
        tensors, matched, unmatched, nan, first, steps, verdict}.

    Raises:
        OptkitError: bad input.
    """
    with workplace(wishes) as store:
        shop, data = open_workshop(loaded, store, wishes, listen)
        few = replace(data, validation=data.validation.part(0, asked.samples))
        return look_into(shop, read_peer(path, shop, wishes), few, asked, wishes)


def look_into(shop: Workshop, model: Artifact, data: Data, asked: Asked, wishes: Wishes) -> Row:
    """The findings about one model, against the workshop's source, as data.

    Raises:
        OptkitError: one of the models does not run.
    """
    from optkit.validate.suspects import to_json

    source, samples = shop.source.artifact, data.validation
    bound = asked.cosine
    if bound is None:
        bound = BOUNDS[lowest(summarise(model, shop.store)["precision"])]
    compared = validate(shop, model, data, again=wishes.remeasure)
    shop.listen(Event("start", "blame", f"{model.format} against {source.format}"))
    findings = _find(shop, model, data, bound, asked.room)
    shop.listen(Event("end", "blame", "done"))
    rows = [to_json(suspect) for suspect in findings.suspects]
    first = next((row for row in rows if row["first"]), None)
    partners = {row["source"] for row in rows}
    nan = dict(zip(("reference", "model"), map(_nan, findings.nan), strict=True))
    return {
        "reference": _face(source),
        "model": _face(model),
        "samples": samples.count,
        "data": samples.origin,
        "bound": {"cosine": bound},
        "outputs": compared["outputs"],
        "tensors": rows,
        "matched": len(rows),
        "unmatched": {
            "reference": findings.tensors[0] - len(partners),
            "model": findings.tensors[1] - len(rows),
        },
        "nan": nan,
        "first": first,
        "steps": [],
        "verdict": _verdict(rows, first, nan, bound, compared["outputs"]),
    }


def _find(shop: Workshop, model: Artifact, data: Data, bound: float, room: Room | None) -> Findings:
    from optkit.validate.blame import blame

    source, steps = shop.source.artifact, model.preprocessing
    made_up = data.validation.origin == "synthesised"

    def to_source(arrays: Arrays) -> Arrays:
        if not steps or not made_up:
            return arrays
        return prepared_inputs(raw_inputs(arrays, steps), steps)

    example = shop.source.example(0)
    return blame(
        _open(source, to_source(example)),
        _open(model, raw_inputs(example, steps)),
        (to_source, lambda arrays: raw_inputs(arrays, steps)),
        data.validation,
        bound,
        lambda done, total: shop.listen(Event("progress", "blame", "", done, total)),
        room,
    )


def _open(artifact: Artifact, example: Arrays) -> Probe:
    from optkit.validate.probing import open_probe

    found = runtime_of(artifact.format)
    if found is None:
        raise bad_input(f"nothing here runs {artifact.format} models")
    return open_probe(artifact, found[0], example)


def _face(artifact: Artifact) -> Row:
    return {"path": str(artifact.path), "format": artifact.format, "sha256": artifact.digest}


def _nan(found: tuple[str, str, str] | None) -> Row | None:
    return (
        None if found is None else dict(zip(("tensor", "operation", "value"), found, strict=True))
    )


def _verdict(
    rows: list[Row],
    first: Row | None,
    nan: Mapping[str, Row | None],
    bound: float,
    outputs: list[Row],
) -> str:
    """The finding in one line."""
    here, there = nan["model"], nan["reference"]
    if here and here["value"] == "NaN" and not (there and there["value"] == "NaN"):
        return f"NaN first appears in {here['tensor']}, made by {here['operation']}"
    if not rows:
        worst = min((row["cosine"] for row in outputs if row["cosine"] is not None), default=None)
        told = "" if worst is None else f": cosine {worst:.6g}"
        return f"the models have no tensor in common; their outputs alone were compared{told}"
    if first is None:
        most = rows[0]
        loss = (
            f"{most['tensor']} ({told_of(most)}) adds most to what is lost"
            if most["added"]
            else "all agree"
        )
        ends = [row for row in outputs if row["problem"]]
        told = f"; output {ends[0]['name']}: {ends[0]['problem']}" if ends else ""
        return f"no tensor falls below cosine {bound:g}: {loss}{told}"
    quality = first["problem"] or f"SQNR {first['sqnr_db']:.1f} dB, cosine {first['cosine']:.4g}"
    exact = first["inputs_sqnr_db"] >= 120
    before = "its inputs are right" if exact else f"its inputs {first['inputs_sqnr_db']:.1f} dB"
    return (
        f"{first['tensor']} ({told_of(first)}) is the first tensor below cosine {bound:g}: "
        f"{quality}; {before}"
    )


def told_of(row: Mapping[str, Any]) -> str:
    """What made a tensor, and the layer or tensor of the source that it stands for."""
    where = row["layer"] or row["source"]
    return f"{row['operation']}, in the source {where}"
