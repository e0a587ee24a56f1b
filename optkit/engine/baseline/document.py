"""The file of a baseline: small, readable, a figure to a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.core.errors import OptkitError, bad_input
from optkit.core.writing import to_json
from optkit.engine.gates.figures import Figure

SCHEMA = "optkit/baseline/1"

Row = dict[str, Any]

_WIDTH = 100
_KEYS = {"model": Mapping, "machine": Mapping, "versions": Mapping, "artifacts": Mapping}
_ARTIFACT = {
    "path": str, "precision": str, "sha256": str, "network": Mapping, "figures": Mapping,
    "settings": Mapping, "timing": Mapping,
}  # fmt: skip


@dataclass(frozen=True)
class Baseline:
    """A baseline and where it was read from.

    Attributes:
        path: the file, as the user named it.
        content: what it says, known to have every key.
    """

    path: Path
    content: Mapping[str, Any]

    def artifact(self, format_name: str) -> Mapping[str, Any] | None:
        """What it knows of the artifact of a format."""
        found: Mapping[str, Any] | None = self.content["artifacts"].get(format_name)
        return found


def figures_of(artifact: Mapping[str, Any]) -> dict[str, list[Figure]]:
    """The figures that a baseline knows of an artifact, by name.

    Where a figure is infinite, as the SQNR of outputs without noise is, the file holds null.
    """
    found = {
        name: [Figure(math.inf if value is None else value)]
        for name, value in artifact["figures"].items()
    }
    for at, told in artifact["timing"].items():
        for name, row in told.items():
            low, high = row["ci95"]
            found.setdefault(name, []).append(Figure(row["value"], (low, high), at))
    return found


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        OptkitError: there is none, it is broken, or of another schema (bad input).
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise bad_input(
            f"there is no baseline at {path}",
            f"write it from a run that is good: optkit baseline update RECIPE -o {path}",
        ) from None
    except OSError as error:
        raise bad_input(
            f"cannot read the baseline {path}: {error.strerror}", "name a file"
        ) from None
    except json.JSONDecodeError as error:
        raise bad_input(
            f"{path}:{error.lineno}:{error.colno}: the baseline is no JSON: {error.msg}",
            f"restore it from version control, or write it anew: {_anew(path)}",
        ) from None
    except (UnicodeDecodeError, RecursionError):
        raise _broken(path, "is no JSON") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        told = f"has the schema '{schema}'" if isinstance(schema, str) else "names no schema"
        raise bad_input(
            f"the baseline {path} {told}, this optkit reads '{SCHEMA}'",
            f"write it anew: {_anew(path)}",
        )
    _check(path, content)
    return Baseline(path, content)


def to_text(content: Mapping[str, Any]) -> str:
    """The file's text: what fits on a line stands on one, so that a diff shows figure by figure."""
    plain = json.loads(to_json(content))
    return _laid_out(plain, 0, "") + "\n"


def _anew(path: Path) -> str:
    return f"optkit baseline update RECIPE -o {path} --force"


def _check(path: Path, content: Mapping[str, Any]) -> None:
    """Whether every key is there, and holds what it should."""
    _has(path, content, _KEYS, "")
    _has(path, content["model"], {"name": str, "inputs": list, "outputs": list}, "model.")
    for word, artifact in content["artifacts"].items():
        where = f"artifacts.{word}"
        if not isinstance(artifact, Mapping):
            raise _broken(path, f"holds no mapping at {where}")
        _has(path, artifact, _ARTIFACT, f"{where}.")
        for name, value in artifact["figures"].items():
            if value is not None and not _is_number(value):
                raise _broken(path, f"holds no number at {where}.figures.{name}")
        for at, told in artifact["timing"].items():
            for name, row in told.items() if isinstance(told, Mapping) else [("", None)]:
                if not _is_interval(row):
                    raise _broken(path, f"holds no figure with its interval at {where}.timing.{at}"
                                        f"{'.' * bool(name)}{name}")  # fmt: skip


def _has(path: Path, holder: Mapping[str, Any], keys: Mapping[str, Any], where: str) -> None:
    for key, kind in keys.items():
        if key not in holder:
            raise _broken(path, f"lacks {where}{key}")
        if not isinstance(holder[key], kind):
            raise _broken(path, f"holds something else at {where}{key}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_interval(row: Any) -> bool:
    """A value and its two ends, all above zero."""
    if not isinstance(row, Mapping) or not isinstance(row.get("ci95"), list):
        return False
    numbers = [row.get("value"), *row["ci95"]]
    return len(numbers) == 3 and all(_is_number(one) and one > 0 for one in numbers)


def _broken(path: Path, what: str) -> OptkitError:
    return bad_input(
        f"the baseline {path} {what}",
        f"restore it from version control, or write it anew: {_anew(path)}",
    )


def _laid_out(value: Any, indent: int, key: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    flat = not isinstance(value, dict) or all(
        not isinstance(inner, dict) for inner in value.values()
    )
    if not isinstance(value, dict | list) or (
        flat and len(line) + len(key) + indent <= _WIDTH and (indent > 2 or isinstance(value, list))
    ):
        return line
    pad, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, list):
        rows = [inner + _laid_out(one, indent + 2, "") for one in value]
        return "[\n" + ",\n".join(rows) + f"\n{pad}]"
    rows = [
        f"{inner}{json.dumps(name, ensure_ascii=False)}: {_laid_out(one, indent + 2, name)}"
        for name, one in value.items()
    ]
    return "{\n" + ",\n".join(rows) + f"\n{pad}}}" if rows else "{}"
