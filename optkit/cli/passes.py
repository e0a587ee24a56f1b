"""optkit passes: what there is to put into a recipe."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from optkit.cli import options


def passes(
    name: Annotated[Optional[str], typer.Argument(help="One pass, in detail.")] = None,  # noqa: UP045
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the passes, or show one with its options."""
    import inspect

    from optkit import console as say
    from optkit.catalogue import all_passes, find_pass

    console = say.open_console(json=json, quiet=quiet)
    found = [find_pass(name)] if name else list(all_passes())
    if json:
        say.print_json(console, {"passes": [describe(item) for item in found]})
    elif name is None:
        rows = [(item.name, _formats(describe(item)), item.summary) for item in found]
        say.print_table(console, ("pass", "formats", ""), rows)
    else:
        described = describe(found[0])
        say.say(console, f"{name}: {_formats(described)}\n")
        say.say(console, inspect.getdoc(found[0].run) or "")
        settings = [
            (option["name"], option["type"], str(option["default"]), option["description"])
            for option in described["options"]
        ]
        if settings:
            say.say(console, "")
            say.print_table(console, ("option", "type", "default", ""), settings)


def describe(item: Any) -> dict[str, Any]:
    """A pass as data."""
    return {
        "name": item.name,
        "summary": item.summary,
        "takes": list(item.takes),
        "gives": item.gives,
        "precision": item.precision,
        "needs": list(item.needs),
        "after": list(item.after),
        "options": [
            {
                "name": key,
                "type": _type(field.annotation),
                "default": _default(field.default),
                "description": field.description or "",
            }
            for key, field in item.options.model_fields.items()
        ],
    }


def _formats(described: dict[str, Any]) -> str:
    takes = ", ".join(described["takes"])
    return f"{takes} → {described['gives']}" if described["gives"] else takes


def _type(annotation: Any) -> str:
    from typing import Literal, get_args, get_origin

    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    return str(getattr(annotation, "__name__", annotation))


def _default(value: Any) -> Any:
    return (
        value.model_dump(mode="json", exclude_defaults=True)
        if hasattr(value, "model_dump")
        else value
    )
