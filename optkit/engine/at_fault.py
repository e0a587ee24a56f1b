"""Why a result is slower than what it was made of: the operations that take longer in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optkit.benchmark.spec import Contender

Row = dict[str, Any]

_MOST = 5


def slower_than(faster: Contender, slower: Contender, seconds: float) -> Row:
    """Profile both models, and tell where the slower one loses its time.

    Args:
        faster: the model in FP32.
        slower: what was made of it.
        seconds: spent on each.

    Returns:
        `than`, the faster one's name; `lost_ms`, by how much an inference is longer while profiled;
        `operations`, the five that lose most: `name`, `type`, `precision`, `ms`, and `instead_ms`
        in the faster model, 0 where it has no such operation; `error` in place of both where they
        cannot be profiled.
    """
    from optkit.benchmark.profile import profile

    before, after = profile([faster, slower], lambda _: None, seconds=seconds)
    for row in (before, after):
        if "error" in row:
            return {"than": faster.name, "error": row["error"]["message"]}
    return {
        "than": faster.name,
        "lost_ms": after["latency_ms"] - before["latency_ms"],
        "operations": losing(before["operations"], after["operations"]),
    }


def losing(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The operations of one profile that take longer than in another, the worst first.

    Quantizing keeps the names of operations; what it adds has no time in the other profile.
    """
    known = {row["name"]: row["ms"] for row in before}
    rows = [
        {key: row[key] for key in ("name", "type", "precision", "ms")}
        | {"instead_ms": known.get(row["name"], 0.0)}
        for row in after
    ]
    lost = [row for row in rows if row["ms"] > row["instead_ms"]]
    return sorted(lost, key=lambda row: row["instead_ms"] - row["ms"])[:_MOST]
