"""Which runtime runs a model, and what that hangs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.catalogue import runtime_of
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError
from optkit.core.versions import versions


def running(artifact: Artifact) -> tuple[str, Any]:
    """The runtime that runs a model, by its word.

    Raises:
        OptkitError: none here does.
    """
    found = runtime_of(artifact.format)
    if found is None:
        raise OptkitError(f"nothing here runs {artifact.format} models")
    return found


def runtime_versions(*artifacts: Artifact) -> Mapping[str, str | None]:
    """The versions of the libraries that run some models."""
    needs = {name for artifact in artifacts for name in running(artifact)[1].NEEDS}
    return versions(needs)


def runtime_code(*artifacts: Artifact) -> list[str]:
    """The modules that run some models."""
    return sorted({f"optkit.runtimes.{running(artifact)[0]}" for artifact in artifacts})
