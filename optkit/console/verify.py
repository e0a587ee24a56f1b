"""What a check of an output folder found."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import table


def print_verify(console: Console, found: Mapping[str, Any]) -> None:
    """Every check, and what came of all of them."""
    from rich.text import Text

    marks = {True: Text("held", "green"), False: Text("does not hold", "bold red")}
    rows = [(row["check"], row["subject"], row["told"], marks[row["held"]])
            for row in found["checks"]]  # fmt: skip
    table(console.rich, ("check", "of", "", "verdict"), rows)
    ends = {"ok": ("ok", "bold green"), "failed": ("not as it was made", "bold red")}
    console.rich.print(Text.assemble(ends[found["status"]], f"  {found['folder']}/"))


def print_failed(found: Mapping[str, Any]) -> None:
    """A line on standard error for each check that does not hold."""
    for row in found["checks"]:
        if not row["held"]:
            sys.stderr.write(f"{row['subject']}: {row['check']} does not hold: {row['told']}\n")
