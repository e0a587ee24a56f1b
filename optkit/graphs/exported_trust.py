"""What loading or running a .pt2 archive would execute, found without executing it.

torch.export.load unpickles some payloads, evaluates size expressions and resolves operators by
dotted name, and the module that it gives compiles guard expressions. Each of them is checked here
against the forms that torch itself writes.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optkit.graphs.pickles import archived_classes

_OPERATOR = re.compile(
    r"torch\.ops\.(?!_)\w+\.\w+(\.(?!_)\w+)?"
    r"|torch\.sym_\w+|torch\._sym_sqrt|math\.(?!_)\w+"
    r"|_operator\.(?!attrgetter|methodcaller|itemgetter|call|_)\w+|_operator\.__\w+__"
    r"|\w+"
)
_SYMBOLIC = re.compile(r"[A-Z][A-Za-z]*|max|min|floor|ceiling|sqrt|int_oo")
_WORD = re.compile(r"[\w.+-]+")
_SYMBOL = re.compile(r"[a-z]+\d+|int_oo|oo|nan|zoo|I|True|False")
_FACTS = frozenset({"size", "stride", "storage_offset", "shape", "ndim", "dim", "numel"})
_NAMES = frozenset({"L", "True", "False", "math", "int", "float", "max", "min", "not_none"})
_FREE_OF_CALLS = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple,
    ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def hazards(path: Path) -> tuple[str, ...]:
    """What in the archive could run code of its own; empty for what torch.export.save writes."""
    with zipfile.ZipFile(path) as archive:
        return tuple(sorted(set(_hazards(archive))))


def _hazards(archive: zipfile.ZipFile) -> Iterator[str]:
    for member in archive.namelist():
        folder, _, name = member.rpartition("/")
        if folder.endswith("constants") and name.startswith(("custom_obj", "opaque_obj")):
            yield f"pickled object {name}"
        elif name.endswith(".pt"):
            if archive.getinfo(member).file_size:
                yield from archived_classes(io.BytesIO(archive.read(member)))
        elif name.endswith("_config.json") and "/data/" in member:
            for payload in json.loads(archive.read(member)).get("config", {}).values():
                if payload.get("use_pickle") and not payload["path_name"].startswith((
                    "custom_obj",
                    "opaque_obj",
                )):
                    data = archive.read(f"{folder}/{payload['path_name']}")
                    yield from archived_classes(io.BytesIO(data))
        elif name.endswith((".so", ".cpp", ".cubin")) or "/aotinductor/" in member:
            yield f"compiled code {name}"
    for program in programs(archive):
        yield from (text for text in texts(program, "target") if not _OPERATOR.fullmatch(text))
        yield from (text for text in texts(program, "expr_str") if not _is_expression(text))
        yield from (text for text in program.get("guards_code") or () if not _is_guard(text))


def programs(archive: zipfile.ZipFile) -> list[Any]:
    """The programs in a .pt2 archive, as the JSON that torch writes."""
    return [
        json.loads(archive.read(member))
        for member in archive.namelist()
        if re.search(r"(^|/)models/[^/]+\.json$", member)
    ]


def texts(value: Any, key: str) -> Iterator[str]:
    """Every string under `key`, at any depth of a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, str):
                yield item
            else:
                yield from texts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, key)


def _is_expression(text: str) -> bool:
    """Whether `text` is arithmetic over symbols, numbers and sympy's functions."""

    def plain(node: ast.AST, parent: Any) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name)
        if isinstance(node, ast.Name):
            called = isinstance(parent, ast.Call) and parent.func is node
            return bool((_SYMBOLIC if called else _SYMBOL).fullmatch(node.id))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            made = isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name)
            return (
                made and parent.func.id in {"Symbol", "Float"} and bool(_WORD.fullmatch(node.value))
            )
        return isinstance(node, _FREE_OF_CALLS) or _is_number(node)

    return _all_nodes(text, plain)


def _is_guard(text: str) -> bool:
    """Whether `text` compares sizes of inputs and nothing more."""

    def plain(node: ast.AST, parent: Any) -> bool:
        if isinstance(node, ast.Call):
            target = node.func
            return not node.keywords and isinstance(target, ast.Attribute | ast.Name)
        if isinstance(node, ast.Attribute):
            of_math = isinstance(node.value, ast.Name) and node.value.id == "math"
            return node.attr in _FACTS or (of_math and not node.attr.startswith("_"))
        if isinstance(node, ast.Name):
            return node.id in _NAMES
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return isinstance(parent, ast.Subscript)
        return isinstance(node, (*_FREE_OF_CALLS, ast.Subscript)) or _is_number(node)

    return _all_nodes(text, plain)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _all_nodes(text: str, plain: Any) -> bool:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    pairs: list[tuple[ast.AST, ast.AST | None]] = [(tree, None)]
    while pairs:
        node, parent = pairs.pop()
        if not plain(node, parent):
            return False
        pairs += [(inner, node) for inner in ast.iter_child_nodes(node)]
    return True
