"""The proof: outputs compared with the source's, models timed side by side, what was achieved."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.catalogue import find_format, runtime_of
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
from optkit.core.versions import versions
from optkit.engine.data import Data
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.recipe.model import Benchmark

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
            "precision": dict(found.precision),
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
        "versions": _runtime_versions(source, result),
        "code": own_code("optkit.validate.run", "optkit.data.read", *_runtime_code(source, result)),
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


def benchmark(
    shop: Workshop, base: Artifact | None, result: Artifact, wanted: Benchmark, *, again: bool
) -> list[Row]:
    """Time the source, the FP32 baseline if any, and the result, interleaved in a child process.

    Returns:
        One row per model, device and scenario. The result's rows bear `speedup` (against the
        baseline) and `speedup_vs_source`.
    """
    if not wanted.enabled:
        return []
    rows: list[Row] = []
    for device in wanted.devices:
        for scenario in wanted.scenarios:
            rows += _measure(shop, base, result, wanted, device, scenario, again=again)
    return rows


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
        "speedup_vs_source": _worst(min, (_speedup(row, "speedup_vs_source") for row in timed)),
        "throughput_per_s": _worst(min, (row["throughput_per_s"] for row in timed)),
    }
    for word in ("p50", "p90", "p95", "p99"):
        found[f"latency_ms_{word}"] = _worst(max, (row["latency_ms"][word] for row in timed))
    return found


def _measure(
    shop: Workshop,
    base: Artifact | None,
    result: Artifact,
    wanted: Benchmark,
    device: str,
    scenario: str,
    *,
    again: bool,
) -> list[Row]:
    """The rows of one device and scenario: the source, the FP32 baseline, the result."""
    source = shop.source.artifact
    models = {"source": source}
    if base and base.digest != result.digest:  # an FP32 result is its own baseline
        models["fp32"] = base
    models[result.path.name] = result
    title = f"benchmark {device} {scenario}"
    shop.listen(Event("start", title, ", ".join(models)))
    question = {
        "models": {name: about(model, "benchmark") for name, model in models.items()},
        "signature": signature_to_json(source.signature),
        "device": device,
        "scenario": scenario,
        "wanted": wanted.model_dump(mode="json", exclude={"devices", "scenarios"}),
        "seed": shop.seed,
        "versions": _runtime_versions(*models.values()),
        "code": own_code(
            "optkit.benchmark.run",
            "optkit.benchmark.child",
            f"optkit.benchmark.scenarios.{scenario.replace('-', '_')}",
            *_runtime_code(*models.values()),
        ),
        "machine": machine(),
    }
    fresh = []

    def measure() -> list[Row]:
        fresh.append(True)
        return _time(shop, models, device, scenario, wanted, title)

    rows: list[Row] = shop.store.fact(question, measure, again=again)
    shop.listen(Event("end", title, "done" if fresh else "measured earlier"))
    return [{**without_raw(row), "cached": not fresh} for row in rows]


def without_raw(row: Row) -> Row:
    """A benchmark row as it is told: its samples stay where they are kept."""
    return {key: value for key, value in row.items() if key != "raw_ms"}


def _time(
    shop: Workshop,
    models: Mapping[str, Artifact],
    device: str,
    scenario: str,
    wanted: Benchmark,
    title: str,
) -> list[Row]:
    """Time models side by side; the last one's row bears its speedups over the others.

    Raises:
        OptkitError: the last one, which is the result, cannot be timed.
    """
    from optkit.benchmark.run import compare, measure
    from optkit.benchmark.spec import Contender, Plan, write_inputs

    with tempfile.TemporaryDirectory() as folder:
        example = shop.source.example(0)
        contenders = tuple(
            Contender(
                name,
                model,
                _runtime(model)[0],
                _settings(wanted, device, source=name == "source"),
                write_inputs(
                    Path(folder) / f"inputs{at}.npz", raw_inputs(example, model.preprocessing)
                ),
            )
            for at, (name, model) in enumerate(models.items())
        )
        rows = measure(
            Plan(
                contenders,
                wanted.seconds,
                scenario,
                shop.seed,
                per_query=wanted.per_query,
                latency_bound_ms=wanted.latency_bound_ms,
            ),
            lambda done, total: shop.listen(
                Event("progress", title, "", round(done), round(total))
            ),
        )
    by_name = {row["artifact"]: row for row in rows}
    result = rows[-1]
    if "error" in result:
        told = result["error"]
        raise OptkitError(told["message"], told["hint"], exit_code=Exit(told["exit"]))
    result["speedup_vs_source"] = compare(result, by_name["source"])
    if "fp32" in by_name:
        result["speedup"] = compare(result, by_name["fp32"])
    return rows


def _settings(wanted: Benchmark, device: str, *, source: bool) -> Settings:
    """What the recipe asks of a model; of the source, only what makes it comparable.

    The source's runtime need not know the device, or the settings, that the result is meant for.
    """
    if source:
        return Settings(threads=wanted.threads, batch=wanted.batch)
    return Settings(
        device=device,
        hint=wanted.hint,
        api=wanted.api,
        streams=wanted.streams,
        threads=wanted.threads,
        nireq=wanted.nireq,
        batch=wanted.batch,
        infer_precision=wanted.infer_precision,
        pin=wanted.pin,
        mode=wanted.mode,
    )


def _worst(choose: Any, values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _sqnr(row: Row) -> float | None:
    return math.inf if row["max_abs"] == 0 else row["sqnr_db"]


def _speedup(row: Row, key: str) -> float | None:
    return row[key]["value"] if row.get(key) else None


def _runtime(artifact: Artifact) -> tuple[str, Any]:
    found = runtime_of(artifact.format)
    if found is None:
        raise OptkitError(f"nothing here runs {artifact.format} models")
    return found


def _open(artifact: Artifact) -> Session:
    session: Session = _runtime(artifact)[1].open_session(artifact, Settings())
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


def _runtime_versions(*artifacts: Artifact) -> Mapping[str, str | None]:
    needs = {name for artifact in artifacts for name in _runtime(artifact)[1].NEEDS}
    return versions(needs)


def _runtime_code(*artifacts: Artifact) -> list[str]:
    return sorted({f"optkit.runtimes.{_runtime(artifact)[0]}" for artifact in artifacts})
