"""Running one recipe, and showing its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optkit.console import Console
    from optkit.engine.run import Result
    from optkit.engine.workplace import Wishes
    from optkit.recipe.load import LoadedRecipe


def run_loaded(
    loaded: LoadedRecipe, output: Path | None, wishes: Wishes, console: Console
) -> Result:
    """Run a loaded recipe and show its end; a document for machines is left to the caller."""
    from optkit import api
    from optkit import console as say

    with say.progress(console) as listen:
        result = api.run(loaded, output=output, wishes=wishes, listen=listen)
    gates = result.manifest["gates"]
    if console.json or console.quiet:
        say.print_missed(gates)
    else:
        say.print_run(console, result.manifest, str(result.folder))
    for gate in gates:
        if not gate["held"]:
            place = loaded.place(("gates", gate["name"])).within(str(loaded.path))
            say.annotate(f"{place}: {say.missed(gate)}")
    return result
