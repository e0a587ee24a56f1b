"""The verdict, and the few figures that say what came out of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optkit.report import words
from optkit.report.sections.gates import undecided
from optkit.report.tables import Tile, Tone

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """How a run ended.

    Attributes:
        tone: good or bad, or to note where a gate could not be told.
        text: in a few words.
        detail: of a failed run, what went wrong and the fix.
    """

    tone: Tone
    text: str
    detail: tuple[str, ...] = ()


def verdict(run: Row) -> Verdict:
    """How a run ended."""
    if run["status"] == "failed":
        error = run.get("error", {})
        told = (error.get("message"), error.get("hint") and f"Fix: {error['hint']}")
        return Verdict("bad", "failed", tuple(filter(None, told)))
    missed = sum(not gate["held"] for gate in run["gates"])
    open_ = sum(map(undecided, run["gates"]))
    if missed:
        return Verdict("bad", f"{_gates(missed)} missed")
    if run["status"] != "ok":
        return Verdict("bad", "a gate was missed")
    if open_:
        return Verdict("note", f"no gate was missed, {open_} could not be told")
    return Verdict("good", "every gate held")


def _gates(count: int) -> str:
    return "a gate was" if count == 1 else f"{count} gates were"


def lead(run: Row) -> str:
    """What was made of what."""
    model = run["model"]
    made = ", ".join(
        f"{one['format']} {one['precision']['requested']} ({words.size(one['bytes'])})"
        for one in run["artifacts"]
    )
    source = f"{model['format']} ({words.size(model['bytes'])})"
    return f"{source} → {made}" if made else source


def notes(run: Row) -> Iterator[str]:
    """What a reader has to know before believing a figure."""
    if made_up := run["data"]["synthesised"]:
        served = " and ".join(made_up)
        yield f"Synthesised inputs served {served}: no data was given for it."
    for warning in run["data"].get("warnings", ()):
        yield f"The data: {warning}."
    for refusal in run["routes"]["refused"]:
        yield f"Route {refusal['route']} was refused by {refusal['pass']}: {refusal['cause']}"


def tiles(run: Row, artifact: Row) -> list[Tile]:
    """A result's size, speed, task metric and fidelity, as far as they were measured."""
    name = artifact["path"]
    proofs = [row for row in run["validation"] if row["artifact"] == name]
    timed = [row for row in run["benchmark"] if row["artifact"] == name and "error" not in row]
    return [
        _size(artifact),
        *(tile for row in timed for tile in _speed(row, alone=len(timed) == 1)),
        *(tile for proof in proofs for tile in (*_metric(proof), *_fidelity(proof))),
    ]


def _size(artifact: Row) -> Tile:
    ratio, told = artifact["size_ratio"], words.size(artifact["bytes"])
    if not ratio or ratio >= 0.95:
        return Tile("size", told)
    return Tile("smaller than FP32", words.times(1 / ratio), told, "good")


def _speed(row: Row, *, alone: bool) -> Iterator[Tile]:
    where = "" if alone else f", {row['device']} {row['scenario']}"
    ratio = row.get("speedup") or row.get("speedup_vs_source")
    if ratio:
        tone: Tone = {"faster": "good", "slower": "bad"}.get(ratio["verdict"], "note")  # type: ignore[assignment]
        note = f"{words.interval(ratio['ci95'])}, {ratio['verdict']}"
        yield Tile(f"as fast as {ratio['against']}{where}", words.times(ratio["value"]), note, tone)
    latency = row["latency_ms"]
    note = f"99 % within {words.milliseconds(latency['p99'])}"
    yield Tile(f"median latency{where}", words.milliseconds(latency["p50"]), note)


def _metric(proof: Row) -> Iterator[Tile]:
    metric = proof["metric"]
    if metric and metric["value"] is not None:
        drop = f"drop {metric['drop']:.4f}" if metric["drop"] is not None else ""
        yield Tile(metric["name"], f"{metric['value']:.4f}", drop)


def _fidelity(proof: Row) -> Iterator[Tile]:
    """The worst output; what was not compared has no figure."""
    if any(row["problem"] for row in proof["outputs"]):
        yield Tile("fidelity", "broken", "an output is not as it should be", "bad")
        return
    compared = [row for row in proof["outputs"] if row["verdict"] == "compared"]
    if not compared:
        yield Tile("fidelity", "unverified", "the source's outputs are constant", "note")
        return
    cosine = f"cosine {min(row['cosine'] for row in compared):.6f}"
    decibels = [row["sqnr_db"] for row in compared if row["sqnr_db"] is not None]
    value = f"{min(decibels):.1f} dB" if decibels else "identical"
    yield Tile("fidelity (SQNR)", value, cosine)
