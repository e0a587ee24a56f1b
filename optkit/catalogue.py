"""Finds passes, formats and runtimes by name; suggests the nearest on a typo.

A file under `passes/`, `formats/` or `runtimes/` is all it takes to be found. Others add passes by
the entry-point group `optkit.passes`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

from optkit.core.contract import Format, Pass, Runtime
from optkit.core.errors import OptkitError, bad_input

_HERE = Path(__file__).parent


@cache
def pass_names() -> tuple[str, ...]:
    """Every pass at hand, without importing any."""
    return tuple(sorted({*_modules("passes"), *(point.name for point in _plugins())}))


@cache
def format_names() -> tuple[str, ...]:
    """Every format at hand."""
    return _modules("formats")


@cache
def runtime_names() -> tuple[str, ...]:
    """Every runtime at hand."""
    return _modules("runtimes")


@cache
def find_pass(name: str) -> Pass:
    """The pass of that name.

    Raises:
        OptkitError: there is none (bad input, with the nearest name), or the package that brings
            it is broken.
    """
    if name in _modules("passes"):
        return cast(Pass, getattr(importlib.import_module(f"optkit.passes.{name}"), name))
    for point in _plugins():
        if point.name == name:
            return _load(point)
    raise unknown("pass", name, pass_names())


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        OptkitError: there is none (bad input, with the nearest name).
    """
    if name not in format_names():
        raise unknown("format", name, format_names())
    return cast(Format, importlib.import_module(f"optkit.formats.{name}"))


def find_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        OptkitError: there is none (bad input, with the nearest name).
    """
    if name not in runtime_names():
        raise unknown("runtime", name, runtime_names())
    return cast(Runtime, importlib.import_module(f"optkit.runtimes.{name}"))


def runtime_of(format_name: str) -> tuple[str, Runtime] | None:
    """The runtime that runs a format, by name; None where no runtime here does."""
    for name in runtime_names():
        runtime = find_runtime(name)
        if format_name in runtime.RUNS:
            return name, runtime
    return None


def all_passes() -> tuple[Pass, ...]:
    """Every pass, imported."""
    return tuple(find_pass(name) for name in pass_names())


def reachable(formats: Iterable[str]) -> set[str]:
    """The formats, and all that conversions make of them."""
    found = set(formats)
    while True:
        more = {item.gives for item in all_passes() if item.gives and found & {*item.takes}} - found
        if not more:
            return found
        found |= more


def unknown(kind: str, name: str, known: Iterable[str]) -> OptkitError:
    """The error for a name that is not there, with the nearest that is."""
    names = sorted(known)
    return bad_input(f"unknown {kind} '{name}'", did_you_mean(name, names))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion for a mistyped word."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(names)}"


@cache
def _modules(folder: str) -> tuple[str, ...]:
    found = pkgutil.iter_modules([str(_HERE / folder)])
    return tuple(sorted(module.name for module in found if not module.name.startswith("_")))


@cache
def _plugins() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group="optkit.passes"))


def _load(point: metadata.EntryPoint) -> Pass:
    package = point.dist.name if point.dist else point.module
    try:
        found = point.load()
    except Exception as error:  # another's module may raise anything
        raise OptkitError(
            f"the pass '{point.name}' of the package {package} cannot be loaded: {error}",
            f"mend it, or leave it out: pip uninstall {package}",
        ) from error
    if not isinstance(found, Pass):
        raise OptkitError(
            f"'{point.name}' of the package {package} is no pass",
            "declare it with optkit.core.contract.transform or conversion",
        )
    return found
