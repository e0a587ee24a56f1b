"""Reads back what runs wrote down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.core.errors import OptkitError, bad_input
from optkit.engine.manifest import SCHEMA
from optkit.engine.output import MANIFEST
from optkit.report import sections

_TEXTS = ("status",)
_MAPPINGS = ("model", "data", "routes", "environment")
_LISTS = ("steps", "artifacts", "validation", "benchmark", "gates")


@dataclass(frozen=True)
class Run:
    """A run that is over.

    Attributes:
        place: as the user named it.
        manifest: the content of its `optkit.json`.
    """

    place: Path
    manifest: dict[str, Any]


def read_run(place: Path) -> Run:
    """Read the manifest of an output folder, or one that `--json` printed.

    Raises:
        OptkitError: there is none, or a report cannot be made of it (bad input).
    """
    file = place / MANIFEST if place.is_dir() else place
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing = f"{place} holds no {MANIFEST}" if place.is_dir() else f"{place}: no such folder"
        raise bad_input(
            missing, f"name the output folder of a run, or make one: optkit run RECIPE -o {place}"
        ) from None
    except OSError as error:
        raise bad_input(f"{file}: {error.strerror}", "check its permissions") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"not JSON ({error})") from None
    _check(manifest, file)
    return Run(place, manifest)


def _check(manifest: Any, file: Path) -> None:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), str):
        raise _damaged(file, "not what a run writes")
    if manifest["schema"] != SCHEMA:
        raise bad_input(
            f"{file} is of schema '{manifest['schema']}', this optkit reads '{SCHEMA}'",
            "run the recipe again, or use the optkit that wrote it",
        )
    for names_, kind in ((_TEXTS, str), (_MAPPINGS, dict), (_LISTS, list)):
        for name in names_:
            if not isinstance(manifest.get(name), kind):
                raise _damaged(file, f"'{name}' is missing, or not what a run writes")
    try:
        sections.of_run(manifest)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from None


def _damaged(file: Path, how: str) -> OptkitError:
    return bad_input(f"{file} is damaged: {how}", "run the recipe again")


def names(runs: Sequence[Run]) -> list[str]:
    """A name for each run, by its folder; with as much of the path as tells them apart."""
    parts = [run.place.absolute().parts for run in runs]
    for length in range(1, max(map(len, parts), default=0) + 1):
        found = ["/".join(one[-length:]) for one in parts]
        if len({*found}) == len(found):
            return found
    return [f"{number}. {run.place}" for number, run in enumerate(runs, 1)]
