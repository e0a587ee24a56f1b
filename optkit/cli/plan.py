"""optkit plan: what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.console import Console
    from optkit.engine.run import Wishes
    from optkit.recipe.load import LoadedRecipe


def plan(
    recipe: options.Recipe,
    set_: options.Set = None,
    trust_code: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the steps and routes of a recipe, and what the store already holds."""
    from optkit.console import open_console
    from optkit.engine.run import Wishes
    from optkit.recipe.load import load_recipe

    loaded = load_recipe(recipe, set_ or ())
    wishes = Wishes(trusted=trust_code, verbose=verbose)
    show_plan(loaded, wishes, open_console(json=json, quiet=quiet))


def show_plan(loaded: LoadedRecipe, wishes: Wishes, console: Console) -> None:
    """Resolve a recipe and print it."""
    from optkit import console as say
    from optkit.engine.preview import preview

    document = preview(loaded, wishes)
    if console.json:
        say.print_json(console, document)
        return
    for target in document["targets"]:
        say.say(console, f"{document['model']} to {target['format']}, {target['precision']}")
        for index, route in enumerate(target["routes"]):
            say.say(console, "route" if index == 0 else "if that is refused")
            rows = [
                (
                    step["pass"],
                    f"{step['takes']} → {step['gives']}"
                    if step["takes"] != step["gives"]
                    else step["gives"],
                    ", ".join(f"{key}: {value}" for key, value in step["options"].items()),
                    "held by the store" if step["held"] else "",
                )
                for step in route
            ]
            say.print_table(console, ("step", "", "options", ""), rows)
