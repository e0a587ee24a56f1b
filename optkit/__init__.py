"""optkit: optimize, convert, measure and check trained networks.

The commands are the main door. From Python the same things are `load_recipe`, `plan`, `convert` and
`run`; they are imported on first use, so that `import optkit` stays instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.core.release import VERSION

if TYPE_CHECKING:
    from optkit.api import convert as convert
    from optkit.api import load_recipe as load_recipe
    from optkit.api import plan as plan
    from optkit.api import run as run

__version__ = VERSION


def __getattr__(name: str) -> Any:
    if name in {"convert", "load_recipe", "plan", "run"}:
        from optkit import api

        return getattr(api, name)
    raise AttributeError(f"module 'optkit' has no attribute '{name}'")
