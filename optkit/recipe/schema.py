"""The JSON schema of a recipe, for editors: `python -m optkit.recipe.schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optkit.catalogue import all_passes, format_names
from optkit.core.contract import Pass
from optkit.recipe.gates import GATES, SECTIONS
from optkit.recipe.model import Recipe

FILE = Path(__file__).with_name("schema.json")
"""The schema as shipped."""


def json_schema() -> dict[str, Any]:
    """The schema, with every pass and its options, every format and every gate."""
    schema = _tidy(Recipe.model_json_schema())
    keys, definitions = schema["properties"], schema["$defs"]
    word = {"enum": list(format_names())}
    keys["to"] |= {"anyOf": [word, {"type": "array", "items": word}]}
    steps = [_step(one, definitions) for one in all_passes()]
    keys["passes"]["items"] = {"anyOf": [entry for pair in steps for entry in pair]}
    keys["gates"] = {
        "description": keys["gates"]["description"],
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"$ref": "#/$defs/Gate", "description": told} for name, told in GATES.items()
        },
        "patternProperties": {
            f"^({'|'.join(SECTIONS)})/.": {
                "$ref": "#/$defs/Gate",
                "description": "a figure of the manifest, by the way that leads to it",
            }
        },
    }
    for name in ("Bound", "Gate"):
        definitions[name]["minProperties"] = 1
    definitions.pop("PassSpec", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "optkit recipe",
        **schema,
        "anyOf": [{"required": ["to"]}, {"required": ["passes"]}],
    }


def _step(step: Pass, definitions: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two ways to write a pass: its name, or its name with options."""
    template = f"#/$defs/{step.name}.{{model}}"
    options = _tidy(step.options.model_json_schema(ref_template=template))
    for name, definition in options.pop("$defs", {}).items():
        definitions[f"{step.name}.{name}"] = definition
    definitions[step.name] = options
    written_out = {
        "type": "object",
        "description": step.summary,
        "properties": {step.name: {"$ref": f"#/$defs/{step.name}"}},
        "required": [step.name],
        "additionalProperties": False,
    }
    return {"const": step.name, "description": step.summary}, written_out


def _tidy(node: Any) -> Any:
    """Without generated titles; a key that may be left out may not stand without a value."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    is_title = isinstance(node.get("title"), str)
    out = {key: _tidy(value) for key, value in node.items() if key != "title" or not is_title}
    if "default" in out and (out["default"] is None or isinstance(out["default"], dict)):
        del out["default"]
    choices = [choice for choice in out.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del out["anyOf"]
        out = choices[0] | out
    elif choices:
        out["anyOf"] = choices
    return out


def schema_text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
