"""Building a stage: its passes run, held against the contract, their result kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Context, Outcome, Pass
from optkit.core.errors import bad_input
from optkit.core.events import Event
from optkit.core.hashing import combined_digest
from optkit.core.preprocessing import (
    preprocessing_from_json,
    preprocessing_to_json,
    raw_inputs,
)
from optkit.core.samples import Samples
from optkit.core.signature import signature_from_json, signature_to_json
from optkit.core.store import Entry
from optkit.core.versions import versions
from optkit.engine.checks import TamperedError, broken, checked, stamps
from optkit.engine.edit import LiveGraph
from optkit.engine.stage import Stage, StepResult, Work, Workshop
from optkit.engine.witness import Witness


def build(stage: Stage, artifact: Artifact, shop: Workshop, key: str) -> Entry:
    """Run a stage's passes, hold the result against the contract, and keep it.

    Raises:
        OptkitError: a pass failed or broke the contract, or has no samples (bad input).
        TamperedError: a pass changed its input.
    """
    with shop.store.staging() as folder:
        output = folder / "output"
        output.mkdir()
        graph, given, files = LiveGraph(artifact, output), artifact, list[str]()
        rows = list[dict[str, Any]]()
        for work in stage:
            shop.listen(Event("start", work.step.name, work.arrow))
            started = time.perf_counter()
            seen = Witness(shop.decided.get(work.item.name, ()))
            outcome = _apply(work, given, shop, folder, graph, key, seen)
            rows.append({
                "seconds": time.perf_counter() - started,
                "changed": outcome.path is not None,
                "reason": outcome.reason,
                "details": dict(outcome.details),
                "samples": seen.samples,
                "decisions": seen.decisions,
            })
            given = _handed_on(work.item, outcome, given)
            changed = [row for row in rows if row["changed"]]
            if work is stage[-1] and changed:
                changed[-1]["seconds"] += _timed(graph.write)
                files = checked(work.item, given, output)
            if work is not stage[-1]:
                shop.listen(Event("end", work.step.name, _told(rows[-1])))
        record = {
            "steps": rows,
            "format": given.format,
            "files": files,
            "signature": signature_to_json(given.signature),
            "preprocessing": preprocessing_to_json(given.preprocessing),
        }
        entry = shop.store.keep(key, output, record)
    shop.store.finish(key)
    shop.listen(Event("end", stage[-1].step.name, _told(rows[-1])))  # now a kill loses nothing
    return entry


def results_of(entry: Entry, stage: Stage, given: Artifact, *, cached: bool) -> list[StepResult]:
    """The steps of a finished stage, as the manifest tells them.

    Passes that share a graph share the artifact that it was written to.
    """
    results, artifact = list[StepResult](), given
    for work, row in zip(stage, entry.record["steps"], strict=True):
        if row["changed"] and artifact is given:
            artifact = _artifact(entry, stage, given)
        results.append(
            StepResult(
                work.item.name,
                work.options.model_dump(mode="json"),
                row["seconds"],
                cached,
                row["changed"],
                row["reason"],
                row["details"],
                artifact,
                row.get("samples", ""),
                row.get("decisions", ()),
            )
        )
    return results


def _told(row: Mapping[str, Any]) -> str:
    if row["changed"]:
        return f"done: {row['reason']}" if row["reason"] else "done"
    return f"no change: {row['reason']}"


def _apply(
    work: Work,
    given: Artifact,
    shop: Workshop,
    folder: Path,
    graph: LiveGraph,
    key: str,
    seen: Witness,
) -> Outcome:
    """Run one pass."""
    item = work.item
    if work.uses_data and not len(shop.samples):
        raise bad_input(
            f"'{item.name}' has no calibration samples: one was given, and it is held back to "
            f"validate on ({shop.samples.source})",
            "give more samples, or a validation set of their own",
        )
    scratch = folder / f"scratch-{item.name}"
    scratch.mkdir(exist_ok=True)

    def samples() -> Samples:
        if not work.uses_data:
            raise broken(item, "reads samples without declaring `uses_data`")
        return replace(
            shop.samples,
            read=lambda index: raw_inputs(seen.read(shop.samples, index), given.preprocessing),
        )

    def remember(module: str, question: Any, compute: Callable[[], Any]) -> Any:
        asked = _about(item, given, shop, module, question)
        if not item.measures(work.options):
            return shop.store.fact(asked, compute)
        return seen.decide(module, question, lambda: shop.store.fact(asked, compute))

    context = Context(
        shop.source.artifact,
        graph.folder,
        scratch,
        samples,
        lambda variant: raw_inputs(shop.source.example(variant), given.preprocessing),
        shop.seed,
        lambda done, total, text="": shop.listen(Event("progress", item.name, text, done, total)),
        lambda _, rewrite: graph.edit(rewrite),
        remember,
        shop.store.unfinished(key),
    )
    before = stamps(graph.artifact)
    try:
        return item.run(given, work.options, context)
    finally:
        if stamps(graph.artifact) != before:
            raise TamperedError


def _about(item: Pass, given: Artifact, shop: Workshop, module: str, question: Any) -> Any:
    """What an answer that a pass asks for hangs on; its own options do not."""
    return {
        "module": module,
        "question": question,
        "input": [given.format, given.digest, signature_to_json(given.signature)],
        "data": shop.samples.digest if item.uses_data else None,
        "seed": shop.seed,
        "versions": versions({"numpy", *item.needs}),
        "code": own_code(module),
    }


def _timed(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _handed_on(item: Pass, outcome: Outcome, given: Artifact) -> Artifact:
    """What the next pass is told of its input: where nothing is written yet, all but the files."""
    if outcome.path is None:
        if item.gives not in {None, given.format}:
            raise broken(item, f"gave no {item.gives} model")
        return given
    face = outcome.signature if item.changes_signature else None
    more = () if outcome.preprocessing is None else (outcome.preprocessing,)
    return replace(
        given,
        format=item.gives or given.format,
        path=outcome.path,
        signature=face or given.signature,
        preprocessing=(*given.preprocessing, *more),
    )


def _artifact(entry: Entry, stage: Stage, given: Artifact) -> Artifact:
    record = entry.record
    files = tuple(entry.folder / name for name in record["files"])
    changed = zip(stage, record["steps"], strict=True)
    return Artifact(
        record["format"],
        files[0],
        files,
        signature_from_json(record["signature"]),
        combined_digest({name: entry.digests[name] for name in record["files"]}),
        sum(file.stat().st_size for file in files),
        (*given.lineage, *(work.item.name for work, row in changed if row["changed"])),
        preprocessing_from_json(record["preprocessing"]),
    )
