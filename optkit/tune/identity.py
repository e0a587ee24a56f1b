"""What a candidate comes to: two that come to the same are one under two names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optkit.benchmark import scenarios
from optkit.benchmark.opening import settled
from optkit.catalogue import find_runtime
from optkit.tune.space import Candidate


def identity(one: Candidate, scenario: str, row: Mapping[str, Any] | None = None) -> str | None:
    """The model and what its settings come to; None where that cannot be told.

    Args:
        one: the candidate.
        scenario: a scenario's word; it fills in what the settings leave open.
        row: its measurement, which tells what the runtime chose by the model.
    """
    settings = settled(one.settings, scenarios.find(scenario))
    used = row["settings"] if row and "error" not in row else None
    found = find_runtime(one.variant.runtime).resolved(settings, used)
    if found is None:
        return None
    return json.dumps([one.variant.word, settings.api, found], sort_keys=True)
