"""Time models as they are, side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from optkit.benchmark.run import Interrupted, compare, measure
from optkit.benchmark.scenarios import find
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.catalogue import find_runtime, runtime_of
from optkit.core.errors import bad_input
from optkit.core.events import Event, Listener, unfailing
from optkit.core.machine import cores
from optkit.core.settings import Settings, chosen
from optkit.core.signature import TensorSpec
from optkit.engine.recognise import recognise
from optkit.engine.source import Source, prove, read_model
from optkit.engine.workplace import Wishes, workplace

Row = dict[str, Any]
Choices = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Bench:
    """What is to be timed.

    Attributes:
        paths: the models; the first, with the first settings, is the baseline.
        settings: how each model runs, in turn.
        everywhere: on every device that a model's runtime has, whatever the settings name.
        scenarios: how load is offered.
        seconds: time spent on each model, setting and scenario.
        per_query: inferences that come at once in `multi-stream`.
        latency_bound_ms: what 99 % of the latencies have to keep in `server`.
        inputs: declared inputs, for every model.
        data: where the input comes from, its first sample; None: it is synthesised.
        factory: builds the network for weights without a graph.
    """

    paths: Sequence[Path]
    settings: Sequence[Settings] = (Settings(),)
    everywhere: bool = False
    scenarios: Sequence[str] = ("single-stream",)
    seconds: float = 3.0
    per_query: int = 8
    latency_bound_ms: float = 100.0
    inputs: Sequence[TensorSpec] = ()
    data: str | None = None
    factory: str | None = field(default=None)


def comparisons() -> dict[str, Choices]:
    """The comparisons that are usual in the field: by word, the settings that each sets apart."""
    counts = [2**power for power in range(1, 7) if 2**power <= max(8, cores())]
    return {
        "api": {"api": ("sync", "async")},
        "hint": {"hint": ("latency", "throughput")},
        "streams-batch": {"streams": (1, *(n for n in counts if n <= cores())), "batch": (1, 8)},
        "precision": {"infer_precision": ("f32", "bf16", "f16")},
        "devices": {},
    }


def every_choice(choices: Choices) -> list[Settings]:
    """Settings for each combination of choices, the first of each first."""
    names = list(choices)
    return [
        Settings(**dict(zip(names, values, strict=True))) for values in product(*choices.values())
    ]


def bench_models(bench: Bench, wishes: Wishes, listen: Listener) -> list[Row]:
    """Time every model with every setting, interleaved in one run per scenario.

    Returns:
        Benchmark rows as in the manifest, with `raw_ms` and `waited`, and `asked`: the settings
        beside the defaults. A model or setting that could not be timed has `error` instead of
        figures.

    Raises:
        OptkitError: bad input, or nothing could be timed.
        Interrupted: with the rows so far.
    """
    listen, rows = unfailing(listen), list[Row]()
    for scenario in bench.scenarios:
        find(scenario)
    with workplace(wishes) as store, tempfile.TemporaryDirectory() as folder:
        every = tuple(contenders(bench, store, Path(folder), wishes))
        for scenario in bench.scenarios:
            plan = Plan(
                every,
                bench.seconds,
                scenario,
                per_query=bench.per_query,
                latency_bound_ms=bench.latency_bound_ms,
            )
            try:
                rows += _compared(plan, measure(plan, _telling(listen, scenario)))
            except Interrupted as stopped:
                raise Interrupted([*rows, *_compared(plan, stopped.rows)]) from None
            listen(Event("end", f"benchmark {scenario}", "done"))
    return rows


def contenders(bench: Bench, store: Any, folder: Path, wishes: Wishes) -> Iterator[Contender]:
    """Every model with every setting.

    Args:
        bench: what is to be timed.
        store: keeps what reading a model costs.
        folder: takes the inputs, and outlasts the contenders.
        wishes: whether the model's own code may run.

    Raises:
        OptkitError: bad input.
    """
    for at, (name, path) in enumerate(zip(_names(bench.paths), bench.paths, strict=True)):
        builds = bench.factory if recognise(path) == "module" else None
        artifact = read_model(
            path, store, inputs=bench.inputs, factory=builds, trusted=wishes.trusted
        )
        source = prove(artifact, store, 0)
        found = runtime_of(artifact.format)
        if found is None:
            raise bad_input(f"nothing here runs {artifact.format} models", "convert it first")
        given = _first(bench.data, source, wishes) if bench.data else source.example(0)
        arrays = write_inputs(folder / f"{at}.npz", given)
        settings: Sequence[Settings] = bench.settings
        if bench.everywhere:
            devices = find_runtime(found[0]).devices()
            settings = [replace(one, device=word) for one in settings for word in devices]
        for one in settings:
            yield Contender(name, source.artifact, found[0], one, arrays)


def _compared(plan: Plan, rows: Sequence[Row]) -> list[Row]:
    """The rows with what was asked for, and each but the first with its speedup over it."""
    found = [
        {**row, "asked": chosen(contender.settings)}
        for row, contender in zip(rows, plan.contenders, strict=True)
    ]
    for row in found[1:]:
        row["speedup"] = compare(row, found[0])
    return found


def _telling(listen: Listener, scenario: str) -> Any:
    title = f"benchmark {scenario}"
    listen(Event("start", title, ""))
    return lambda done, total: listen(Event("progress", title, "", round(done), round(total)))


def _first(data: str, source: Source, wishes: Wishes) -> Any:
    from optkit.data.read import read_samples

    inputs = source.artifact.signature.inputs
    samples = read_samples(
        data, inputs, labels=None, images=None, trusted=wishes.trusted, root=Path()
    )
    return samples.read(0)


def _names(paths: Sequence[Path]) -> list[str]:
    """File names, or whole paths where those are not enough to tell models apart."""
    short = [path.name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]
