"""Rewrite a graph: read, let the pass edit it in memory, check, write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.contract import Edit, GraphFormat, Outcome, unchanged


def edit_graph(artifact: Artifact, rewrite: Callable[[Any], Edit], folder: Path) -> Outcome:
    """Apply a rewriting to an artifact's graph and write the result into `folder`.

    A rewriting that changes nothing gives back the artifact as it is, with the reasons.
    """
    format_ = cast(GraphFormat, find_format(artifact.format))
    model = format_.read_graph(artifact)
    edit = rewrite(model)
    left = "; ".join(f"{count} left alone: {why}" for why, count in edit.left.items())
    if not edit.changed:
        return unchanged(left or "nothing to rewrite", **edit.details)
    path = folder / format_.FILE
    format_.write_graph(model, path)
    return Outcome(path, left or None, {"changed": edit.changed, **edit.details})
