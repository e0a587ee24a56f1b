"""A digest of the code behind a step, so that a changed line is never answered from the cache."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def own_code(module: str) -> str:
    """`code_digest` of one of optkit's modules, such as `optkit.passes.trace`."""
    return code_digest(module, Path(__file__).parents[2], "optkit.")


@cache
def code_digest(module: str, root: Path, package: str = "") -> str:
    """SHA-256 over a module's source and all that it imports, directly or not, under `root`.

    Args:
        module: dotted name; a name that is not under `root` counts as nothing.
        root: the folder that holds the top-level package.
        package: follow imports only into this package; '' follows all that lie under `root`.
    """
    seen: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name, root)
        if name in seen or path is None or not (name + ".").startswith(package):
            continue
        seen[name] = path.read_bytes()
        waiting += _imports(path, name)
    total = hashlib.sha256()
    for name in sorted(seen):
        total.update(name.encode() + b"\0" + hashlib.sha256(seen[name]).digest())
    return total.hexdigest()


def _file(name: str, root: Path) -> Path | None:
    place = root / name.replace(".", "/")
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path, module: str) -> tuple[str, ...]:
    """Every name that a file imports, anywhere in it; `from a import b` counts as a and a.b."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # whoever imports it will say so
        return ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(name for node in ast.walk(tree) for name in _names(node, package))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parts, node.module] if node.module else parts) if node.level else (
            node.module or ""
        )  # fmt: skip
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
