"""optkit doctor: whether all that optkit needs is there."""

from __future__ import annotations

from typing import Any

from optkit.cli import options
from optkit.core.errors import Exit


def doctor(json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Check libraries, devices and the store; say what is missing and how to get it."""
    from optkit import console as say

    console = say.open_console(json=json, quiet=quiet)
    document = examine()
    if json:
        say.print_json(console, document)
    else:
        rows = [(row["name"], row["found"], row["fix"]) for row in document["checks"]]
        say.print_table(console, ("", "found", "fix"), rows)
    return Exit.OK if document["healthy"] else Exit.FAILED


def examine() -> dict[str, Any]:
    """Every check as data: name, found, ok, fix."""
    from optkit.core.machine import machine
    from optkit.core.release import VERSION

    here = machine()
    isa = " ".join(map(str, here["isa"])) or "baseline"  # type: ignore[call-overload]
    checks = [
        _check("optkit", VERSION),
        _check("python", str(here["python"])),
        _check("processor", f"{here['cpu']}, {here['cores']} cores, {isa}"),
        *_libraries(),
        *_devices(),
        *_store(),
    ]
    return {"healthy": all(row["ok"] for row in checks), "checks": checks}


def _check(name: str, found: str, *, ok: bool = True, fix: str = "") -> dict[str, Any]:
    return {"name": name, "found": found, "ok": ok, "fix": "" if ok else fix}


def _libraries() -> list[dict[str, Any]]:
    """Every requirement of the distribution, its extras' too, held against what is installed."""
    from importlib import metadata

    from packaging.requirements import Requirement

    from optkit.core.versions import version

    rows = []
    for text in metadata.requires("optkit") or ():
        need = Requirement(text)
        extra = next(
            (e for e in _extras() if need.marker and need.marker.evaluate({"extra": e})), ""
        )
        have = version(need.name)
        fits = have is not None and need.specifier.contains(have, prereleases=True)
        name = f"{need.name} [{extra}]" if extra else need.name
        if fits or extra:
            rows.append(_check(name, have or "not installed (optional)"))
        else:
            found = f"{have}, needs {need.specifier}" if have else "missing"
            rows.append(_check(name, found, ok=False, fix=f"pip install '{need}'"))
    return rows


def _extras() -> list[str]:
    from importlib import metadata

    return metadata.metadata("optkit").get_all("Provides-Extra") or []


def _devices() -> list[dict[str, Any]]:
    from optkit.catalogue import find_runtime, runtime_names
    from optkit.core.errors import root_cause

    rows = []
    for name in runtime_names():
        try:
            rows.append(_check(f"devices of {name}", ", ".join(find_runtime(name).devices())))
        except Exception as error:  # whatever keeps a library from loading is the finding
            rows.append(
                _check(f"devices of {name}", root_cause(error), ok=False, fix=f"reinstall {name}")
            )
    return rows


def _store() -> list[dict[str, Any]]:
    import os
    import shutil

    from optkit.console import size
    from optkit.core.store import Store, default_root

    store = Store(default_root())
    place = store.root
    while not place.exists():
        place = place.parent
    writable = os.access(place, os.W_OK)
    held = sum(row[1] for row in store.entries())
    free = shutil.disk_usage(place).free
    found = f"{store.root}: {size(held)} held, {size(free)} free on the disk"
    return [
        _check("store", found, ok=writable, fix="set OPTKIT_CACHE_DIR to a folder you may write")
    ]
