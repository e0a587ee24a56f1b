"""optkit plan: what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.console import Console
    from optkit.engine.workplace import Wishes
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
    from optkit.engine.workplace import Wishes
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
        first, *others = target["routes"]
        say.print_table(console, ("step", "", "options", ""), [_row(step) for step in first])
        if others:
            say.say(console, "where the model refuses that, in this order:")
            for route in others:
                say.say(console, f"  {', '.join(step['pass'] for step in route)}")


def _row(step: dict[str, Any]) -> tuple[str, ...]:
    same = step["takes"] == step["gives"]
    return (
        step["pass"],
        step["gives"] if same else f"{step['takes']} → {step['gives']}",
        ", ".join(f"{key}: {value}" for key, value in step["options"].items()),
        "held by the store" if step["held"] else "",
    )
