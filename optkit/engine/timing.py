"""Models timed side by side: the source, the FP32 baseline, the result."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.errors import Exit, OptkitError
from optkit.core.events import Event
from optkit.core.machine import SPEEDS_UP, machine
from optkit.core.preprocessing import raw_inputs
from optkit.core.settings import InferPrecision, Settings
from optkit.core.signature import signature_to_json
from optkit.engine.at_fault import slower_than
from optkit.engine.running import running, runtime_code, runtime_versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.recipe.model import Benchmark

if TYPE_CHECKING:
    from optkit.benchmark.spec import Contender

Row = dict[str, Any]

Models = dict[str, tuple[Artifact, Settings]]
"""What is timed side by side, and how it is run, by the name that its row bears."""


def benchmark(
    shop: Workshop,
    base: Artifact | None,
    result: Artifact,
    wanted: Benchmark,
    *,
    again: bool,
    earlier: Artifact | None = None,
) -> list[Row]:
    """Time the source, FP32 if any, and the result, interleaved in a child process.

    FP32 runs a second time where the device computes it faster in half precision.

    Args:
        shop: the run's source, store and listener.
        base: the result without its lowering of the precision; None where there is none.
        result: the model in question.
        wanted: what to time.
        again: repeat it even where it is known.
        earlier: what the result was in the run that a baseline was taken from.

    Returns:
        One row per model, device and scenario. The result's rows bear `speedup` (against FP32),
        `speedup_vs_half`, `speedup_vs_source`, `speedup_vs_baseline` (against `earlier`), and
        where they are slower than FP32, `slower` (`optkit.engine.at_fault`).
    """
    if not wanted.enabled:
        return []
    rows: list[Row] = []
    for device in wanted.devices:
        for scenario in wanted.scenarios:
            rows += _measure(shop, base, earlier, result, wanted, device, scenario, again=again)
    return rows


def _measure(
    shop: Workshop,
    base: Artifact | None,
    earlier: Artifact | None,
    result: Artifact,
    wanted: Benchmark,
    device: str,
    scenario: str,
    *,
    again: bool,
) -> list[Row]:
    """The rows of one device and scenario, the result's last."""
    source = shop.source.artifact
    asked = _settings(wanted, device)
    # The source's runtime need not know the device, or the settings, that the result is meant for.
    models: Models = {"source": (source, Settings(threads=wanted.threads, batch=wanted.batch))}
    if base and base.digest != result.digest:  # an FP32 result is its own baseline
        models["fp32"] = base, asked
        if half := _half(base, wanted, device):
            models[f"fp32 in {half}"] = base, replace(asked, infer_precision=half)
    if earlier:
        models["baseline"] = earlier, asked
    models[result.path.name] = result, asked
    artifacts = [model for model, _ in models.values()]
    title = f"benchmark {device} {scenario}"
    shop.listen(Event("start", title, ", ".join(models)))
    question = {
        "models": {name: about(model, "benchmark") for name, (model, _) in models.items()},
        "signature": signature_to_json(source.signature),
        "device": device,
        "scenario": scenario,
        "wanted": wanted.model_dump(mode="json", exclude={"devices", "scenarios", "undecided"}),
        "seed": shop.seed,
        "versions": runtime_versions(*artifacts),
        "code": own_code(
            "optkit.benchmark.run",
            "optkit.benchmark.child",
            f"optkit.benchmark.scenarios.{scenario.replace('-', '_')}",
            "optkit.engine.at_fault",
            *runtime_code(*artifacts),
        ),
        "machine": machine(),
    }
    fresh = []

    def measure() -> list[Row]:
        fresh.append(True)
        return _time(shop, models, scenario, wanted, title)

    rows: list[Row] = shop.store.fact(question, measure, again=again)
    shop.listen(Event("end", title, "done" if fresh else "measured earlier"))
    return [{**without_raw(row), "cached": not fresh} for row in rows]


def _half(base: Artifact, wanted: Benchmark, device: str) -> InferPrecision | None:
    """The half precision that a device computes FP32 models in faster, where it has one.

    What a user gets for nothing is what a quantized model has to beat.
    """
    if running(base)[0] != "openvino" or wanted.infer_precision != "f32":
        return None
    if device.startswith("GPU"):
        return "f16"
    isa = machine()["isa"]
    able = device == "CPU" and isinstance(isa, list) and {*SPEEDS_UP["bf16"]} & {*isa}
    return "bf16" if able else None


def without_raw(row: Row) -> Row:
    """A benchmark row as it is told: its samples stay where they are kept."""
    return {key: value for key, value in row.items() if key not in {"raw_ms", "waited"}}


def _time(
    shop: Workshop,
    models: Models,
    scenario: str,
    wanted: Benchmark,
    title: str,
) -> list[Row]:
    """Time models side by side; the last one's row bears its speedups over the others.

    Where it is slower than one of them in FP32, the row says which operations take longer.

    Raises:
        OptkitError: the last one, which is the result, cannot be timed.
    """
    from optkit.benchmark.run import measure
    from optkit.benchmark.spec import Plan

    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(shop, models, Path(folder))
        rows = measure(
            Plan(
                tuple(contenders.values()),
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
        name, result = list(by_name.items())[-1]
        if "error" in result:
            told = result["error"]
            raise OptkitError(told["message"], told["hint"], exit_code=Exit(told["exit"]))
        for other, row in by_name.items():
            if other != name:
                result[_AGAINST.get(other, "speedup_vs_half")] = _compared(result, row)
        if faster := _faster(result):
            shop.listen(Event("progress", title, f"slower than {faster}: looking for the cause"))
            result["slower"] = slower_than(contenders[faster], contenders[name], wanted.seconds)
    return rows


_AGAINST = {
    "source": "speedup_vs_source",
    "fp32": "speedup",
    "baseline": "speedup_vs_baseline",
}


def _compared(result: Row, other: Row) -> Row | None:
    """The speedup over another model, with that of their percentiles in `percentiles`."""
    from optkit.benchmark.run import compare
    from optkit.core.intervals import calm_ratio, percentile_ratios

    ratio = compare(result, other)
    if ratio is None or "server" in result:
        return ratio
    batches = result["settings"]["batch"] / other["settings"]["batch"]
    times = other["raw_ms"], result["raw_ms"], result["sittings"], batches
    return {**ratio, "percentiles": {"p10": calm_ratio(*times), **percentile_ratios(*times)}}


def _faster(result: Row) -> str | None:
    """The FP32 model that the result was measured to be slower than, the fastest of them."""
    ratios = [result.get("speedup"), result.get("speedup_vs_half")]
    lost = [ratio for ratio in ratios if ratio and ratio["verdict"] == "slower"]
    return str(min(lost, key=lambda ratio: ratio["value"])["against"]) if lost else None


def _contenders(shop: Workshop, models: Models, folder: Path) -> dict[str, Contender]:
    from optkit.benchmark.spec import Contender, write_inputs

    example = shop.source.example(0)
    return {
        name: Contender(
            name,
            model,
            running(model)[0],
            settings,
            write_inputs(folder / f"inputs{at}.npz", raw_inputs(example, model.preprocessing)),
        )
        for at, (name, (model, settings)) in enumerate(models.items())
    }


def _settings(wanted: Benchmark, device: str) -> Settings:
    """What the recipe asks of a model."""
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
