"""Which tensor goes wrong first, and what each adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.console.stream import Console
from optkit.console.tables import table

if TYPE_CHECKING:
    from rich.text import Text

_WIDE = 120


def print_blame(console: Console, document: Mapping[str, Any], top: int) -> None:
    """Steps, the tensors that add most to the loss, and the finding."""
    from rich.text import Text

    rich = console.rich
    if document["steps"]:
        heads = ("step", "", "cosine", "SQNR dB", "noise added")
        table(rich, heads, [_step(row) for row in document["steps"]], figures=heads[2:])
    rows = sorted(document["tensors"][: max(top, 1)], key=lambda row: row["rank"])
    if rows:
        columns = ("#", "tensor", "operation", "in the source", "SQNR dB", "of inputs", "cosine",
                 "noise added")  # fmt: skip
        drawn = [_tensor(row, wide=rich.width >= _WIDE) for row in rows]
        table(rich, columns, drawn, figures=("#", *columns[4:]), extra="operation")
    _outputs(console, document)
    left = document["unmatched"]
    told = (
        f"{document['matched']} tensors compared on {document['samples']} {document['data']} "
        f"samples; {left['reference']} of the reference's and {left['model']} of the model's "
        "have no partner"
    )
    rich.print(told, markup=False)
    for side in ("reference", "model"):
        if found := document["nan"][side]:
            line = f"the {side} gives {found['value']} first in {found['tensor']}"
            rich.print(f"{line} ({found['operation']})", markup=False)
    colour = "bold red" if document["first"] else "bold"
    rich.print(Text(document["verdict"], colour))


def _step(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["problem"]:
        return row["pass"], row["format"], row["problem"], "", f"{row['added']:.2%}"
    quality = "exact" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}"
    note = row["format"] if row["changed"] else f"{row['format']}, no change"
    return row["pass"], note, f"{row['cosine']:.6f}", quality, f"{row['added']:.2%}"


def _tensor(row: Mapping[str, Any], *, wide: bool) -> tuple[str | Text, ...]:
    from rich.text import Text

    most = 60 if wide else 28
    name = Text(_short(row["tensor"], most), "bold red" if row["first"] else "")
    where = _short(row["layer"] or row["source"], most)
    own = row["problem"] or f"{row['sqnr_db']:.1f}"
    cosine = "" if row["cosine"] is None else f"{row['cosine']:.6f}"
    before = "exact" if row["inputs_sqnr_db"] >= 140 else f"{row['inputs_sqnr_db']:.1f}"
    added = f"{row['added']:.2%}"
    return str(row["rank"]), name, row["operation"], where, own, before, cosine, added


def _outputs(console: Console, document: Mapping[str, Any]) -> None:
    for row in document["outputs"]:
        if row["problem"]:
            told = row["problem"]
        elif row["verdict"] == "unverified":
            told = "constant in the reference: nothing is proven"
        else:
            quality = "exact" if row["sqnr_db"] is None else f"SQNR {row['sqnr_db']:.1f} dB"
            told = f"cosine {row['cosine']:.6f}, {quality}"
        console.rich.print(f"output {row['name']}: {told}", markup=False)


def _short(name: str, most: int) -> str:
    """The end of a long name: what tells it from its neighbours."""
    return name if len(name) <= most else "…" + name[1 - most :]
