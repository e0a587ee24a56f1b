"""Version 0: drafts that tell no version of their form, or `optkit: 0`."""

from __future__ import annotations

from optkit.recipe.versions.draft import Draft, Edit


def edits(draft: Draft) -> list[Edit]:
    """To version 1: the recipe tells its version, above its first key."""
    return draft.replaced(("optkit",), "1") or draft.first("optkit: 1")
