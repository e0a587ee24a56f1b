"""Time models as they are, side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.catalogue import runtime_of
from optkit.core.errors import bad_input
from optkit.core.events import Event, Listener, unfailing
from optkit.core.settings import Settings
from optkit.core.signature import TensorSpec
from optkit.engine.recognise import recognise
from optkit.engine.run import Wishes, workplace
from optkit.engine.source import Source, prove, read_model


def bench_models(
    paths: Sequence[Path],
    settings: Sequence[Settings],
    inputs: Sequence[TensorSpec],
    *,
    data: str | None,
    scenario: str,
    seconds: float,
    factory: str | None,
    wishes: Wishes,
    listen: Listener,
) -> list[dict[str, Any]]:
    """Time every model on every device, interleaved in one run.

    Args:
        paths: the models; the first is the baseline, so that its `speedup` is null.
        settings: one per device.
        inputs: declared inputs, for every model.
        data: where the input comes from, its first sample; None: it is synthesised.
        scenario: how load is offered.
        seconds: time spent on each model and device.
        factory: builds the network for weights without a graph.
        wishes: trust and chatter.
        listen: told of progress.

    Returns:
        Benchmark rows as in the manifest.

    Raises:
        OptkitError: bad input, a model that does not run, a device that is not there.
    """
    names, listen = _names(paths), unfailing(listen)
    with workplace(wishes) as store, tempfile.TemporaryDirectory() as folder:
        contenders: list[Contender] = []
        for name, path in zip(names, paths, strict=True):
            builds = factory if recognise(path) == "module" else None
            artifact = read_model(
                path, store, inputs=inputs, factory=builds, trusted=wishes.trusted
            )
            source = prove(artifact, store, 0)
            found = runtime_of(artifact.format)
            if found is None:
                raise bad_input(f"nothing here runs {artifact.format} models", "convert it first")
            given = _first(data, source, wishes) if data else source.example(0)
            arrays = write_inputs(Path(folder) / f"{len(contenders)}.npz", given)
            contenders += [
                Contender(name, source.artifact, found[0], setting, arrays) for setting in settings
            ]
        listen(Event("start", "benchmark", ", ".join(names)))
        rows = measure(
            Plan(tuple(contenders), seconds, scenario),
            lambda done, total: listen(
                Event("progress", "benchmark", "", round(done), round(total))
            ),
        )
        listen(Event("end", "benchmark", "done"))
    for row in rows[1:]:
        row["speedup"] = compare(row, rows[0])
    return [{key: row[key] for key in row if key != "raw_ms"} for row in rows]


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
