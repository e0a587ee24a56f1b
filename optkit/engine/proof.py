"""The proof: outputs compared with the source's, and what was achieved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Session
from optkit.core.errors import Exit, OptkitError, root_cause
from optkit.core.events import Event
from optkit.core.machine import machine
from optkit.core.preprocessing import prepared_inputs, preprocessing_to_json, raw_inputs
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import signature_to_json
from optkit.core.store import Store
from optkit.engine.data import Data
from optkit.engine.running import running, runtime_code, runtime_versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop

if TYPE_CHECKING:
    from optkit.core.contract import Arrays

    Infer = Callable[[Arrays], Mapping[str, Any]]

Row = dict[str, Any]


def summarise(artifact: Artifact, store: Store) -> Row:
    """Operations, parameters, FLOPs and precision as found in a model; remembered."""

    def read() -> Row:
        found = find_format(artifact.format).summary(artifact)
        return {
            "operations": dict(found.operations),
            "parameters": found.parameters,
            "flops": found.flops,
            "precision": found.precision,
            "by_operation": found.by_operation,
        }

    return dict(store.fact(about(artifact, "summary"), read))


def validate(shop: Workshop, result: Artifact, data: Data, *, again: bool) -> Row:
    """Compare a result with the source on the validation samples, inference pinned to float32.

    Args:
        shop: the run's source, store and listener.
        result: the model to judge.
        data: the samples and the metric.
        again: repeat it even where it is known.

    Raises:
        OptkitError: labels do not fit the outputs, or the result does not run.
    """
    source = shop.source.artifact
    shop.listen(Event("start", "validate", f"{result.format} against {source.format}"))
    question = {
        "models": [about(source, "validation"), about(result, "validation")],
        "signature": signature_to_json(source.signature),
        "preprocessing": preprocessing_to_json(result.preprocessing),
        "data": data.validation.digest,
        "metric": [data.metric, data.metric_output],
        "versions": runtime_versions(source, result),
        "code": own_code("optkit.validate.run", "optkit.data.read", *runtime_code(source, result)),
        "machine": machine(),
    }
    fresh = []

    def measure() -> Row:
        from optkit.validate.run import validate as compare

        fresh.append(True)
        return compare(
            on_the_same_image(_inference(source, Exit.BAD_INPUT), result, data.validation),
            fed(_inference(result, Exit.FAILED), result),
            data.validation,
            data.metric,
            data.metric_output,
            lambda done, total: shop.listen(Event("progress", "validate", "", done, total)),
        )

    row = shop.store.fact(question, measure, again=again)
    shop.listen(Event("end", "validate", "done" if fresh else "measured earlier"))
    return {"artifact": result.path.name, **row, "cached": not fresh}


def figures(
    artifact: Mapping[str, Any], validation: Row, timed: Sequence[Row]
) -> dict[str, float | None]:
    """Every figure that a gate can bound, by the gate's name; the worst where there are several.

    Args:
        artifact: the manifest's row of the artifact.
        validation: its validation row.
        timed: its own benchmark rows.
    """
    outputs = [row for row in validation["outputs"] if row["verdict"] == "compared"]
    if any(row["problem"] for row in outputs):
        outputs = []  # how close the rest is proves nothing
    metric = validation["metric"]
    found: dict[str, float | None] = {
        "size_bytes": artifact["bytes"],
        "size_ratio": artifact["size_ratio"],
        "accuracy_drop": metric["drop"] if metric else None,
        "metric_drop": metric["drop"] if metric else None,
        "cosine": _worst(min, (row["cosine"] for row in outputs)),
        "sqnr_db": _worst(min, (_sqnr(row) for row in outputs)),
        "max_abs": _worst(max, (row["max_abs"] for row in outputs)),
        "max_rel": _worst(max, (row["max_rel"] for row in outputs)),
        "speedup": _worst(min, (_speedup(row, "speedup") for row in timed)),
        "speedup_vs_half": _worst(min, (_speedup(row, "speedup_vs_half") for row in timed)),
        "speedup_vs_source": _worst(min, (_speedup(row, "speedup_vs_source") for row in timed)),
        "throughput_per_s": _worst(min, (row["throughput_per_s"] for row in timed)),
    }
    for word in ("p50", "p90", "p95", "p99"):
        found[f"latency_ms_{word}"] = _worst(max, (row["latency_ms"][word] for row in timed))
    return found


def _worst(choose: Any, values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _sqnr(row: Row) -> float | None:
    return math.inf if row["max_abs"] == 0 else row["sqnr_db"]


def _speedup(row: Row, key: str) -> float | None:
    return row[key]["value"] if row.get(key) else None


def _open(artifact: Artifact) -> Session:
    session: Session = running(artifact)[1].open_session(artifact, Settings())
    return session


def _inference(artifact: Artifact, exit_code: Exit) -> Infer:
    """The model's inference; what a library refuses becomes an error with that exit code."""
    infer = _open(artifact).infer

    def run(arrays: Arrays) -> Mapping[str, Any]:
        try:
            return infer(arrays)
        except OptkitError:
            raise
        except Exception as error:  # whatever the library raises, it refused the sample
            given = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            raise OptkitError(
                f"{artifact.path.name} refuses a validation sample ({given}): {root_cause(error)}",
                "give samples that the model takes, or declare its inputs: --input",
                exit_code=exit_code,
            ) from error

    return run


def fed(infer: Infer, model: Artifact) -> Infer:
    """An inference on the source's inputs: as images, where the model prepares them itself."""
    if not model.preprocessing:
        return infer
    return lambda arrays: infer(raw_inputs(arrays, model.preprocessing))


def on_the_same_image(infer: Infer, model: Artifact, samples: Samples) -> Infer:
    """The source's inference, where samples were made up on values that an image can have.

    Samples that were given are the measure: that no image is prepared to them is to be seen.
    """
    if not model.preprocessing or samples.origin == "given":
        return infer
    steps = model.preprocessing
    return lambda arrays: infer(prepared_inputs(raw_inputs(arrays, steps), steps))
