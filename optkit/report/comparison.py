"""Several runs side by side: the same figures in columns, told against the first run's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from optkit.report import differences, words
from optkit.report.pictures.fidelity import error_percent
from optkit.report.reading import Run
from optkit.report.reading import names as run_names
from optkit.report.sections import gates as gate_rows
from optkit.report.sections.verdict import Verdict, verdict
from optkit.report.tables import Cell, Table, Told, Tone, parts

Row = Mapping[str, Any]
Found = Row | None


def of_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Every part of a comparison, by the name that the templates know it by."""
    called, manifests = run_names(runs), [run.manifest for run in runs]
    return {
        "names": called,
        "end": summary(manifests),
        "overview": overview(called, manifests),
        "figures": [figures(one, called, manifests) for one in artifacts(manifests)],
        "gates": gates(called, manifests),
    }


def as_json(runs: Sequence[Run]) -> list[Row]:
    """The comparison for a machine: a row for each figure, what is said of it by run."""
    content = of_runs(runs)
    return [
        {
            "about": table.caption,
            "figure": parts(row[0])[0].text,
            "runs": {
                name: [one.text for one in parts(cell)]
                for name, cell in zip(content["names"], row[1:], strict=True)
            },
        }
        for table in (content["overview"], *content["figures"], content["gates"])
        for row in table.rows
    ]


def summary(runs: Sequence[Row]) -> Verdict:
    """How all the runs ended, taken together."""
    ends = [verdict(run) for run in runs]
    bad = sum(end.tone == "bad" for end in ends)
    if bad:
        return Verdict("bad", f"{bad} of {len(runs)} did not hold")
    if any(end.tone == "note" for end in ends):
        return Verdict("note", "none missed a gate, some could not be told")
    return Verdict("good", "every gate held")


def overview(names: Sequence[str], runs: Sequence[Row]) -> Table:
    """How each run ended, on what and by which steps."""

    def each(tell: Callable[[Row], Cell]) -> tuple[Cell, ...]:
        return tuple(tell(run) for run in runs)

    rows = [
        ("verdict", *each(lambda run: Told(verdict(run).text, verdict(run).tone))),
        ("model", *each(lambda run: f"{run['model']['path']}, {run['model']['sha256'][:12]}")),
        ("steps", *each(lambda run: " → ".join(step["pass"] for step in run["steps"]) or "none")),
        ("processor", *each(lambda run: run["environment"]["cpu"])),
        ("optkit", *each(lambda run: run["environment"]["optkit"])),
        *_versions(runs),
    ]
    return Table("Runs", ("what", *names), rows)


def _versions(runs: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The libraries that are not the same everywhere."""
    found = [run["environment"]["versions"] for run in runs]
    for name in dict.fromkeys(name for one in found for name in one):
        versions = [str(one.get(name) or "not used") for one in found]
        if len({*versions}) > 1:
            yield name, *versions


def artifacts(runs: Sequence[Row]) -> list[str]:
    """The results by name, in the order that they first occur."""
    return list(dict.fromkeys(one["path"] for run in runs for one in run["artifacts"]))


def figures(name: str, names: Sequence[str], runs: Sequence[Row]) -> Table:
    """Every figure of the result of that name, where a run has one."""
    rows = [*_sizes(name, runs), *_qualities(name, runs), *_speeds(name, runs)]
    return Table(name, ("figure", *names), rows)


def gates(names: Sequence[str], runs: Sequence[Row]) -> Table:
    """Every gate of any run: measured, its bound, and how it stands."""
    keys = dict.fromkeys((one["artifact"], one["name"]) for run in runs for one in run["gates"])
    rows = []
    for artifact, gate in keys:
        cells: list[Cell] = []
        for run in runs:
            row = _first(run["gates"], artifact=artifact, name=gate)
            cells.append(_gate(row) if row else "none")
        rows.append((f"{gate}, {artifact}", *cells))
    return Table("Gates", ("gate", *names), rows)


def _gate(row: Row) -> Cell:
    held = Told(f"{gate_rows.measured(row)}, bound {gate_rows.bound(row)}")
    return held, *parts(gate_rows.told(row))


def _sizes(name: str, runs: Sequence[Row]) -> Iterator[tuple[Cell, ...]]:
    rows = [_first(run["artifacts"], path=name) for run in runs]
    yield _line("size", rows, lambda row: row["bytes"], words.size, "bad")
    yield (
        "precision found",
        *(words.counts(row["precision"]["achieved"]) or "no weights" if row else "none"
          for row in rows),
    )  # fmt: skip


def _qualities(name: str, runs: Sequence[Row]) -> Iterator[tuple[Cell, ...]]:
    proofs = [_first(run["validation"], artifact=name) for run in runs]
    kinds = dict.fromkeys(row["metric"]["name"] for row in proofs if row and row["metric"])
    for kind in kinds:
        held = [row["metric"] if row and row["metric"] and row["metric"]["name"] == kind else None
                for row in proofs]  # fmt: skip
        yield _line(kind, held, lambda row: row["value"], "{:.4f}".format, "good")
        yield _line("drop", held, lambda row: row["drop"], "{:.4f}".format, "bad")
    yield _line("error, % of the signal", proofs, error_percent, "{:.3g}".format, "bad")


def _speeds(name: str, runs: Sequence[Row]) -> Iterator[tuple[Cell, ...]]:
    timed = [
        {(row["device"], row["scenario"]): row
         for row in run["benchmark"] if row["artifact"] == name and "error" not in row}
        for run in runs
    ]  # fmt: skip
    for key in dict.fromkeys(key for one in timed for key in one):
        where, rows = ", ".join(key), [one.get(key) for one in timed]
        yield _line(f"p50 latency, {where}", rows, _median, words.milliseconds)
        yield _line(f"p99 latency, {where}", rows, lambda row: row["latency_ms"]["p99"],
                    words.milliseconds)  # fmt: skip
        yield _estimates(f"mean latency, ms (95 %), {where}", rows, _latency, inverse=True)
        for ratio in ("speedup", "speedup_vs_source"):
            found = [row.get(ratio) if row else None for row in rows]
            if known := [one for one in found if one]:
                label = f"times as fast as {known[0]['against']} (95 %), {where}"
                yield _estimates(label, found, _ratio)


def _line(
    label: str,
    rows: Sequence[Found],
    of: Callable[[Row], float | None],
    write: Callable[[Any], str],
    more: Tone | None = None,
) -> tuple[Cell, ...]:
    values = [of(row) if row else None for row in rows]
    cells: list[Cell] = []
    for value in values:
        told = words.NOT_MEASURED if value is None else write(value)
        if more and (apart := differences.figure(values[0], value, more=more)):
            cells.append((Told(told), apart))
        else:
            cells.append(told)
    return label, *cells


def _estimates(
    label: str,
    rows: Sequence[Found],
    of: Callable[[Row], differences.Estimate],
    *,
    inverse: bool = False,
) -> tuple[Cell, ...]:
    """A figure with its interval; of every run but the first, how it differs from that one's."""
    found = [of(row) if row else None for row in rows]
    write = words.figure if inverse else words.times
    cells: list[Cell] = []
    for at, one in enumerate(found):
        if one is None:
            cells.append(words.NOT_MEASURED)
            continue
        value, low, high = map(write, one)
        told = Told(f"{value} ({low} to {high})")
        first = found[0]
        if at and first and one != first and min(*first, *one) > 0:
            pair = (one, first) if inverse else (first, one)
            cells.append((told, differences.speed(*pair)))
        else:
            cells.append(told)
    return label, *cells


def _median(row: Row) -> float:
    return float(row["latency_ms"]["p50"])


def _latency(row: Row) -> differences.Estimate:
    latency = row["latency_ms"]
    return latency["mean"], latency["ci95"][0], latency["ci95"][1]


def _ratio(row: Row) -> differences.Estimate:
    return row["value"], row["ci95"][0], row["ci95"][1]


def _first(rows: Sequence[Row], **wanted: str) -> Found:
    return next((row for row in rows if all(row[key] == one for key, one in wanted.items())), None)
