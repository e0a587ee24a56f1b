"""What a run, or a validation, came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.gates import print_gates
from optkit.console.parity import print_parity
from optkit.console.stream import Console
from optkit.console.tables import number, seconds, size, speedup, table, verdict

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.text import Text

    from optkit.console.tables import Cell


def print_run(console: Console, manifest: Mapping[str, Any], folder: str) -> None:
    """The end of a run: steps, result against source, gates, and where it lies."""
    from rich.text import Text

    rich = console.rich
    model = manifest["model"]
    rich.print()
    rich.print(Text.assemble((model["path"], "bold"), f" ({model['format']})"))
    for refusal in manifest["routes"]["refused"]:
        refused = (f"route {refusal['route']} refused", "yellow")
        rich.print(Text.assemble(refused, f" by {refusal['pass']}: {refusal['cause']}"))
    if manifest["routes"]["refused"]:
        rich.print(f"route taken: {', '.join(manifest['routes']['taken'])}")
    table(rich, ("step", "", "time", ""), _step_rows(manifest))
    for row in manifest["steps"]:
        _print_reverted(rich, row)
    _print_results(rich, manifest)
    if manifest.get("parity"):
        print_parity(console, manifest["parity"])
    print_gates(rich, manifest["gates"])
    verdict = {"ok": ("ok", "bold green"), "gated": ("a gate was missed", "bold red")}
    names = ", ".join(row["path"] for row in manifest["artifacts"])
    rich.print(Text.assemble(verdict[manifest["status"]], f"  {folder}/: {names}"))


def print_check(console: Console, document: Mapping[str, Any]) -> None:
    """One model held against another."""
    for proof in document["validation"]:
        table(console.rich, (proof["artifact"], ""), _proof_rows(proof))
    print_gates(console.rich, document["gates"])


def _step_rows(manifest: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line to each step; one that several targets share was taken once."""
    several = len(manifest["artifacts"]) > 1
    rows, taken = [], list[Any]()
    for row in manifest["steps"]:
        told = _step_row(row)
        work = (row["pass"], row["options"], row["artifact"])
        shared = several and row["cached"] and work in taken
        rows.append((*told[:2], "", "shared, see above") if shared else told)
        taken.append(work)
    return rows


def _step_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["cached"]:
        note = "cached"
    elif not row["changed"]:
        note = f"no change: {row['reason']}"
    else:
        note = row["reason"] or ""
    if row["cached"] and not row["changed"]:
        note = f"cached; no change: {row['reason']}"
    return row["pass"], row["artifact"]["format"], seconds(row["seconds"]), note


def _print_reverted(rich: Rich, row: Mapping[str, Any]) -> None:
    """The layers that a bound took back to floating point, and how a recipe says so."""
    details = row["details"]
    if not details.get("reverted"):
        return
    names = ", ".join(details["reverted"])
    patch = ", ".join(f'"{name}"' for name in details["ignored_scope"]["names"])
    rich.print(f"{row['pass']} left in floating point: {names}", markup=False)
    rich.print(
        f"in the recipe: {row['pass']}: {{ignored_scope: {{names: [{patch}]}}}}\n", markup=False
    )


def _print_results(rich: Rich, manifest: Mapping[str, Any]) -> None:
    from rich.markup import escape

    for artifact in manifest["artifacts"]:
        name = artifact["path"]
        proof = next(row for row in manifest["validation"] if row["artifact"] == name)
        rows: list[tuple[str, Cell]] = [("size", f"{size(artifact['bytes'])}{_smaller(artifact)}")]
        rows.append(("precision", _counts(artifact["precision"]["achieved"])))
        rows += _proof_rows(proof)
        for timed in manifest["benchmark"]:
            if timed["artifact"] == name:
                rows += _speed_rows(timed)
        table(rich, (name, ""), rows)
    for line in _untimed(manifest["benchmark"]):
        rich.print(line, markup=False)
    for warning in manifest["data"].get("warnings", ()):
        rich.print(f"[yellow]The data:[/] {escape(warning)}")
    if made_up := manifest["data"]["synthesised"]:
        rich.print(
            f"[yellow]Synthesised inputs served {' and '.join(made_up)};[/] give real ones with "
            "--data, or under data: in the recipe.\n"
        )


def _proof_rows(proof: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    if metric := proof["metric"]:
        told = [f"{metric[key]:.4f}" if metric[key] is not None else "none"
                for key in ("value", "reference", "drop")]  # fmt: skip
        rows.append((metric["name"], f"{told[0]}, source {told[1]}, drop {told[2]}"))
    rows += [(f"fidelity, {row['name']}", _fidelity(row)) for row in proof["outputs"]]
    return [*rows, ("compared on", f"{proof['samples']} {proof['data']} samples")]


def _speed_rows(timed: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """A result's own rows: it was measured, or the run would have failed."""
    latency = timed["latency_ms"]
    label = f"{timed['device']} {timed['scenario']}"
    text = f"p50 {number(latency['p50'])} ms, p99 {number(latency['p99'])} ms, "
    rows: list[tuple[str, Cell]] = [(label, text + _load(timed))]
    ratios = filter(None, map(timed.get, ("speedup", "speedup_vs_half", "speedup_vs_source")))
    rows += [(f"speed against {ratio['against']}", _ratio(ratio)) for ratio in ratios]
    return [*rows, *_slower_rows(timed.get("slower"))]


def _slower_rows(slower: Mapping[str, Any] | None) -> list[tuple[str, Cell]]:
    """The operations at fault, where a result is slower than what it replaces."""
    if slower is None:
        return []
    if "error" in slower:
        return [(f"slower than {slower['than']}", f"cause not found: {slower['error']}")]
    told = (
        f"{row['name']} ({row['type']}, {row['precision']}): {number(row['ms'])} ms instead of "
        f"{number(row['instead_ms'])}"
        for row in slower["operations"]
    )
    return [(f"slower than {slower['than']}", "\n".join(told))]


def _load(timed: Mapping[str, Any]) -> str:
    found = f"{number(timed['throughput_per_s'])} inputs/s"
    if "server" not in timed:
        return found
    bound = f"p99 within {timed['server']['latency_bound_ms']:g} ms"
    return f"{found} with {bound}" if timed["server"]["held"] else f"no load holds {bound}"


def _untimed(timed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Models that a result was to be held against, and why there is nothing to tell of them."""
    return list(
        dict.fromkeys(
            f"{row['artifact']} not timed on {row['device']} {row['scenario']}: "
            f"{row['error']['message']}; {row['error']['hint']}"
            for row in timed
            if "error" in row
        )
    )


def _ratio(ratio: Mapping[str, Any]) -> Text:
    from rich.text import Text

    return Text.assemble(speedup(ratio), ", ", verdict(ratio))


def _fidelity(row: Mapping[str, Any]) -> Cell:
    from rich.text import Text

    if row["problem"]:
        return Text(row["problem"], "red")
    if row["verdict"] == "unverified":
        return Text("unverified: the source's output is constant", "yellow")
    quality = "identical" if row["sqnr_db"] is None else f"SQNR {row['sqnr_db']:.1f} dB"
    return f"cosine {row['cosine']:.6f}, {quality}, max abs {row['max_abs']:.3g}"


def _smaller(artifact: Mapping[str, Any]) -> str:
    ratio = artifact["size_ratio"]
    return f", {1 / ratio:.2f}x smaller than FP32" if ratio and ratio < 0.95 else ""


def _counts(achieved: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in achieved.items()) or "no weights"
