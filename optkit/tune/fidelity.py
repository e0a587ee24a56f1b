"""How near a variant stays to the source, in the arithmetic that it would run in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optkit.catalogue import find_pass, find_runtime, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, root_cause
from optkit.core.events import Event
from optkit.core.machine import machine
from optkit.core.preprocessing import prepared_inputs, preprocessing_to_json, raw_inputs
from optkit.core.settings import Settings
from optkit.core.signature import signature_to_json
from optkit.core.versions import versions
from optkit.engine.data import Data
from optkit.engine.gates import judge as gates
from optkit.engine.gates.figures import named_figures
from optkit.engine.proof import summarise, validate
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.recipe.gates import Bound
from optkit.recipe.tuning import STATIC
from optkit.tune.variants import Variant

_ROUGHER = {"f32": "fp32", "bf16": "fp16", "f16": "fp16"}


@dataclass(frozen=True)
class Fidelity:
    """What validation found.

    Attributes:
        figures: by the constraint's name.
        missed: what is not as it must be, the default bounds included; empty where all is.
        excess: of every bound, how far it is missed; above 1 is a miss.
    """

    figures: Mapping[str, float | None]
    missed: str = ""
    excess: Mapping[str, float] | None = None


def fidelity(
    variant: Variant,
    precision: str,
    device: str,
    shop: Workshop,
    data: Data,
    bounds: Mapping[str, Bound],
    *,
    again: bool,
) -> Fidelity:
    """Compare a variant with the source and hold it against the bounds that need no clock.

    Args:
        variant: a model that was made.
        precision: the arithmetic that the runtime may use.
        device: where it may use it.
        shop: the source and the store.
        data: the samples and the metric.
        bounds: constraints by name.
        again: repeat it even where it is known.

    Raises:
        OptkitError: the samples do not fit the source (bad input).
    """
    model = variant.artifact
    assert model is not None
    try:
        if precision == "f32":
            row = validate(shop, model, data, again=again)
        else:
            row = _lowered(model, precision, device, shop, data, again=again)
    except OptkitError as error:
        if model.digest == shop.source.artifact.digest and precision == "f32":
            raise
        return Fidelity({}, f"does not run: {error.message}")
    measured = named_figures({"bytes": model.bytes, "size_ratio": None}, row, [])
    told = {name: measured[name][0].value for name in STATIC}
    word = variant.precision if variant.precision != "fp32" else _ROUGHER[precision]
    rows = [gates.outputs_gate(row["outputs"])]
    if variant.precision != "fp32":
        achieved = summarise(model, shop.store)["precision"]
        rows.append(gates.precision_gate(variant.precision, achieved))
    static = {name: bound for name, bound in bounds.items() if name in STATIC}
    changed = [find_pass(step.name) for step in variant.steps if step.changed]
    rows += gates.judge(static, measured, word, changed)
    missed = [f"{row['name']} is {_short(row['value'])}, not {row['bound']}" for row in rows
              if not row["held"]]  # fmt: skip
    return Fidelity(told, "; ".join(missed), excess(static, told))


def excess(bounds: Mapping[str, Bound], found: Mapping[str, float | None]) -> dict[str, float]:
    """For each bound, how far its figure is beyond it: above 1 is a miss."""
    told = {}
    for name, bound in bounds.items():
        value = found.get(name)
        if value is None or value != value:  # noqa: PLR0124 - not a number
            told[name] = float("inf")
            continue
        ends = [_over(value, bound.max)] if bound.max is not None else []
        ends += [_over(bound.min, value)] if bound.min is not None else []
        told[name] = max(ends)
    return told


def _over(value: float, most: float) -> float:
    """The ratio of two figures where that says anything, else whether one exceeds the other."""
    if value > 0 and most > 0:
        return value / most
    return 0.0 if value <= most else float("inf")


def _lowered(
    model: Artifact, precision: str, device: str, shop: Workshop, data: Data, *, again: bool
) -> dict[str, Any]:
    """The validation row of a model that computes in a lower precision, as the engine keeps it."""
    source = shop.source.artifact
    runtimes = [_runtime(source), _runtime(model)]
    question = {
        "models": [about(source, "validation"), about(model, "validation")],
        "signature": signature_to_json(source.signature),
        "preprocessing": preprocessing_to_json(model.preprocessing),
        "infer_precision": [precision, device],
        "data": data.validation.digest,
        "metric": [data.metric, data.metric_output],
        "versions": versions({need for word in runtimes for need in find_runtime(word).NEEDS}),
        "code": own_code(
            "optkit.validate.run",
            "optkit.data.read",
            "optkit.tune.fidelity",
            *(f"optkit.runtimes.{word}" for word in runtimes),
        ),
        "machine": machine(),
    }
    shop.listen(Event("start", "validate", f"{model.format} in {precision}"))
    row: dict[str, Any] = shop.store.fact(
        question, lambda: _compared(model, precision, device, shop, data), again=again
    )
    shop.listen(Event("end", "validate", "done"))
    return row


def _compared(
    model: Artifact, precision: str, device: str, shop: Workshop, data: Data
) -> dict[str, Any]:
    from optkit.validate.run import validate as compare

    source, steps = shop.source.artifact, model.preprocessing
    made_up = bool(steps) and data.validation.origin != "given"
    reference = _open(source, Settings())
    candidate = _open(model, Settings(device=device, infer_precision=precision))  # type: ignore[arg-type]

    def expected(arrays: Any) -> Any:
        same = prepared_inputs(raw_inputs(arrays, steps), steps) if made_up else arrays
        return reference.infer(same)

    def found(arrays: Any) -> Any:
        return candidate.infer(raw_inputs(arrays, steps) if steps else arrays)

    try:
        return compare(
            expected, found, data.validation, data.metric, data.metric_output, lambda *_: None
        )
    except OptkitError:
        raise
    except Exception as error:  # whatever the library raises, it refused a sample
        raise OptkitError(f"{model.path.name} refuses a sample: {root_cause(error)}") from error
    finally:
        candidate.close()
        reference.close()


def _runtime(artifact: Artifact) -> str:
    found = runtime_of(artifact.format)
    assert found is not None
    return found[0]


def _open(artifact: Artifact, settings: Settings) -> Session:
    return find_runtime(_runtime(artifact)).open_session(artifact, settings)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
