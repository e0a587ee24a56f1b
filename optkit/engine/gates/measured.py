"""All that an artifact's gates can be held against."""

from __future__ import annotations

from collections.abc import Iterable

from optkit.engine.gates.figures import Figure, Row, named_figures
from optkit.engine.gates.paths import figures_at, known_beside


def measured(names: Iterable[str], manifest: Row, artifact: str) -> dict[str, list[Figure]]:
    """What an artifact's gates can be held against: the named figures, and those at paths.

    Args:
        names: of the gates.
        manifest: rows as in the manifest, as far as they are there yet.
        artifact: its path there.
    """
    (told,) = (row for row in manifest["artifacts"] if row["path"] == artifact)
    own = {
        **manifest,
        "artifacts": [told],
        **{
            section: [row for row in manifest[section] if row["artifact"] == artifact]
            for section in ("validation", "benchmark")
        },
    }
    timed = [row for row in own["benchmark"] if "error" not in row]
    found = named_figures(told, own["validation"][0], timed)
    for name in names:
        if "/" in name:  # other models' rows where it asks for them, such as the source's
            found[name] = figures_at(name, own) or figures_at(name, manifest)
            if not found[name]:
                ways = ", ".join(known_beside(name, manifest)[:8])
                found[name] = [Figure(None, note=f"no such figure; there is: {ways}")]
    return found
