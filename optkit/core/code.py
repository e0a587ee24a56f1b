"""A digest of the code behind a step, so that a changed line is never answered from the cache."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

_OWN_ROOT = Path(__file__).parents[2]
_INSTALLED = {"site-packages", "dist-packages"}

# Matches every import statement, wherever it stands, and now and then a sentence that looks like
# one: too much only means that a digest covers more. Parsing would take most of a cached run.
_IMPORT = re.compile(
    r"\b(?:from[ \t]*(\.+|\.*\w[.\w]*)[ \t]*)?\bimport\b[ \t]*(\([^)]*\)|[^\n;]+)", re.ASCII
)
_NOISE = re.compile(r"#[^\n]*|\\\n")


def own_code(*modules: str) -> str:
    """`code_digest` over several modules, such as `optkit.passes.trace`, wherever they lie."""
    total = hashlib.sha256()
    for module in modules:
        total.update(code_digest(module).encode())
    return total.hexdigest()


@cache
def code_digest(module: str, *places: Path) -> str:
    """SHA-256 over a module's source and all of its project that it imports, directly or not.

    Its project is what lies in its folder, or in its top-level package where that is installed.
    What it imports of optkit counts too. Of a module without a source file nothing can be said:
    it has another digest in each process.

    Args:
        module: dotted name.
        places: folders that it is looked for in first; else it is found as Python does.
    """
    root = next((place for place in places if _file(module, place)), None) or _root(module)
    if root is None:
        return uuid4().hex
    top = f"{module.partition('.')[0]}."
    within = top if root.name in _INSTALLED or root == _OWN_ROOT else ""
    seen: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name, root) if f"{name}.".startswith(within) else None
        if path is None and name.startswith("optkit."):
            path = _file(name, _OWN_ROOT)
        if path is not None and name not in seen:
            seen[name], imported = _scan(path, name)
            waiting += imported
            if not name.startswith("optkit."):  # importing a.b runs a/__init__.py
                waiting.append(name.rpartition(".")[0])
    total = hashlib.sha256()
    for name in sorted(seen):
        total.update(f"{name} {seen[name]}\n".encode())
    return total.hexdigest()


def _root(module: str) -> Path | None:
    """The folder that holds a module's top-level package or file."""
    if _file(module, _OWN_ROOT) is not None and module.startswith("optkit."):
        return _OWN_ROOT
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    path = Path(origin or "")
    if path.suffix != ".py":
        return None
    parts = module.split(".")
    return path.parents[len(parts) if path.name == "__init__.py" else len(parts) - 1]


def _file(name: str, root: Path) -> Path | None:
    if not name:
        return None
    place = root / name.replace(".", "/")
    for path in (place.with_name(place.name + ".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _scan(path: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """The digest of a file, and every name that it imports, anywhere in it."""
    content = path.read_bytes()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = dict.fromkeys(_imports(content.decode(errors="replace"), package))
    return hashlib.sha256(content).hexdigest(), tuple(names)


def _imports(source: str, package: str) -> Iterator[str]:
    """Every name imported in a module of `package`; `from a import b` counts as a and a.b."""
    for match in _IMPORT.finditer(_NOISE.sub("", source)):
        base, listed = match[1], match[2].strip("()")
        names = [words[0] for item in listed.split(",") if (words := item.split())]
        if base is None:
            yield from names
            continue
        if base.startswith("."):
            below = base.lstrip(".")
            parts = package.split(".")[: len(package.split(".")) + 1 - (len(base) - len(below))]
            base = ".".join([*parts, below] if below else parts)
        yield base
        yield from (f"{base}.{name}" for name in names)
