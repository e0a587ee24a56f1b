"""Writes REFERENCE.md: every command and every pass, from the code itself.

`python -m optkit.cli.reference` rewrites it; a test holds it against this.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("REFERENCE.md")


def reference() -> str:
    """The whole reference as Markdown."""
    from optkit.recipe.gates import GATES

    gates = [f"| `{name}` | {text} |" for name, text in GATES.items()]
    parts = [
        "# Reference",
        "Written by `python -m optkit.cli.reference`; do not edit.",
        "## Commands",
        *_commands(),
        "## Passes",
        *_passes(),
        "## Gates",
        "\n".join(["| gate | bounds |", "| --- | --- |", *gates]),
        (
            "Any other figure of the manifest is named by the way to it, such as "
            "`steps/quantize_int8/seconds`. A gate takes `max`, `min`, and against a baseline "
            "`max_increase` and `max_decrease`: [In a pipeline](../../docs/ci.md)."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _commands() -> list[str]:
    from typer.main import get_command

    from optkit.cli.main import make_app

    root: Any = get_command(make_app())
    parts = []
    for name, command in root.commands.items():
        for words, leaf in _leaves(name, command):
            parts += [f"### optkit {words}", leaf.help or "", _parameters(leaf)]
    return parts


def _leaves(name: str, command: Any) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(name, command)]
    return [(f"{name} {word}", leaf) for word, leaf in inner.items()]


def _parameters(command: Any) -> str:
    import typer

    context = typer.Context(command)
    rows = ["| parameter | |", "| --- | --- |"]
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            spelled, text = (part.replace("|", "/") for part in record)
            rows.append(f"| `{spelled}` | {text} |")
    return "\n".join(rows)


def _passes() -> list[str]:
    from optkit.catalogue import all_passes
    from optkit.cli.passes import describe

    parts = []
    for item in all_passes():
        told = describe(item)
        takes = ", ".join(told["takes"])
        becomes = f"{takes} → {told['gives']}" if told["gives"] else takes
        parts += [
            f"### {item.name}",
            f"Formats: {becomes}",
            _indent(inspect.getdoc(item.run) or ""),
        ]
        if told["options"]:
            rows = ["| option | type | default | |", "| --- | --- | --- | --- |"]
            rows += [
                f"| `{option['name']}` | {option['type'].replace('|', '/')} "
                f"| `{option['default']}` | {option['description']} |"
                for option in told["options"]
            ]
            parts.append("\n".join(rows))
    return parts


def _indent(text: str) -> str:
    """A docstring as a literal block, so that its diagrams keep their shape."""
    return "```text\n" + text + "\n```"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
