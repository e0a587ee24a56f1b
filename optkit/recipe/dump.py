"""A recipe as YAML text: the contract's order, no defaults, short things on one line."""

from __future__ import annotations

import io
from typing import Any

import yaml

from optkit.recipe.model import Recipe
from optkit.recipe.text.loader import add_scalars

_WIDTH = 88
_INDENT = 2
_EXACT = 2**53


class _Dumper(yaml.SafeDumper):
    """Quotes what either YAML 1.1 or 1.2 would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


add_scalars(_Dumper)


def dump(recipe: Recipe, *, header: str = "") -> str:
    """The YAML text of a recipe; loading it gives an equal one.

    Args:
        recipe: what to write.
        header: comment lines to stand above, such as
            `yaml-language-server: $schema=...`; a missing `# ` is added.
    """
    comment = "".join(
        f"{line}\n" if line.startswith("#") else f"# {line}\n" for line in header.splitlines()
    )
    out = io.StringIO()
    dumper = _Dumper(out, sort_keys=False, allow_unicode=True, width=10**6)
    dumper.open()
    node = dumper.represent_data(plain(recipe))
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        if key.value == "passes" and value.value:  # a line to each
            value.flow_style = False
            for step in value.value:
                _lay_out(step, 2 * _INDENT)
                step.flow_style = False
        else:
            _lay_out(value, _INDENT)
    node.flow_style = False
    dumper.serialize(node)
    dumper.close()
    return comment + out.getvalue()


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain data in its short forms, without what is left at its default."""
    out: dict[str, Any] = _tidy(recipe.model_dump(mode="json", exclude_defaults=True))
    for key in ("to", "outside"):
        if len(out.get(key, [])) == 1:
            (out[key],) = out[key]
    if out.get("benchmark") == {"enabled": False}:
        out["benchmark"] = False
    if recipe.passes is not None:
        out["passes"] = [
            {step.name: step.options} if step.options else step.name for step in recipe.passes
        ]
    plain_text: dict[str, Any] = _escaped(out)
    return plain_text


def _escaped(value: Any) -> Any:
    """`${` as plain text: what it stood for is filled in already."""
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(inner) for inner in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _tidy(value: Any) -> Any:
    """Whole numbers without a fraction, sections that are all default without a word."""
    if isinstance(value, dict):
        tidied = {key: _tidy(inner) for key, inner in value.items()}
        return {key: inner for key, inner in tidied.items() if inner != {}}
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    return (
        int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
        else value
    )


def _lay_out(node: yaml.Node, indent: int) -> int:
    """Put what fits on one line there; the characters that it takes."""
    if not isinstance(node, yaml.CollectionNode):
        return len(str(node.value)) + 2
    parts = [part for item in node.value for part in (item if isinstance(item, tuple) else [item])]
    length = 2 + sum(_lay_out(part, indent + _INDENT) for part in parts)
    node.flow_style = indent + length <= _WIDTH
    return length
