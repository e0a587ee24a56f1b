"""Graphs in memory: passes rewrite one in turn, between one read and one write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.contract import Edit, GraphFormat, Outcome, unchanged


@dataclass
class LiveGraph:
    """An artifact's graph, read when the first pass edits it.

    Attributes:
        artifact: the model on disk.
        folder: where the rewritten one is to lie.
        graph: as the format's library has it; None until somebody asks.
        changed: whether it differs from the one on disk.
    """

    artifact: Artifact
    folder: Path
    graph: Any = None
    changed: bool = False

    @property
    def path(self) -> Path:
        """The rewritten model's main file."""
        return self.folder / self._format.FILE

    def edit(self, rewrite: Callable[[Any], Edit]) -> Outcome:
        """Let a pass rewrite the graph; the outcome names a file that `write` will write."""
        if self.graph is None:
            self.graph = self._format.read_graph(self.artifact)
        edit = rewrite(self.graph)
        left = "; ".join(f"{count} left alone: {why}" for why, count in edit.left.items())
        if not edit.changed:
            return unchanged(left or "nothing to rewrite", **edit.details)
        self.graph = self._format.tidy_graph(self.graph if edit.graph is None else edit.graph)
        self.changed = True
        return Outcome(self.path, left or None, {"changed": edit.changed, **edit.details})

    def write(self) -> None:
        """Write the graph, if a pass changed it."""
        if self.changed:
            self._format.write_graph(self.graph, self.path)

    @property
    def _format(self) -> GraphFormat:
        return cast(GraphFormat, find_format(self.artifact.format))


def edit_graph(artifact: Artifact, rewrite: Callable[[Any], Edit], folder: Path) -> Outcome:
    """Read a graph, rewrite it once, and write the result into `folder`."""
    live = LiveGraph(artifact, folder)
    outcome = live.edit(rewrite)
    live.write()
    return outcome
