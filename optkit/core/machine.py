"""The machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path
from typing import TypedDict


class Cache(TypedDict):
    """Caches of one level and size.

    Attributes:
        level: 1 is nearest to the core.
        bytes: the size of one.
        instances: how many there are.
    """

    level: int
    bytes: int
    instances: int


# The instruction sets that decide how fast a network can run, as the kernel spells them.
_ISA = (
    "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx512f", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_int8", "amx_bf16", "amx_fp16", "amx_tile", "asimd", "asimdhp", "asimddp",
    "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip

SPEEDS_UP = {
    "int8": ("avx_vnni", "avx_vnni_int8", "avx512_vnni", "amx_int8", "asimddp", "i8mm"),
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "asimdhp"),
}
"""The instruction sets made for a precision, by its name."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_CPUS = Path("/sys/devices/system/cpu")
_NODES = Path("/sys/devices/system/node")


@cache
def machine() -> dict[str, object]:
    """Processor, cores this process may use, instruction sets that matter, operating system."""
    model, isa = parse_cpuinfo(_text(Path("/proc/cpuinfo")))
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": cores(),
        "isa": isa,
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


@cache
def topology() -> dict[str, object]:
    """How the processors are built: sockets, NUMA nodes, threads per core, caches.

    None and an empty list stand for what the operating system does not tell.
    """
    return {**parse_cpus(_CPUS), "numa_nodes": parse_nodes(_NODES), "caches": parse_caches(_CPUS)}


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_bytes() -> int:
    """Bytes in the caches of the last level, all of them together; 0 where unknown."""
    known = parse_caches(_CPUS)
    last = max((found["level"] for found in known), default=0)
    return sum(found["bytes"] * found["instances"] for found in known if found["level"] == last)


def parse_cpuinfo(text: str) -> tuple[str | None, list[str]]:
    """The processor's name and its instruction sets that matter, out of `/proc/cpuinfo`.

    An ARM kernel tells numbers in place of a name: who designed the core, and which it is.
    """
    model = _field(text, "model name|Model|Hardware")
    part = _field(text, "CPU part")
    if model is None and part is not None:
        model = f"ARM implementer {_field(text, 'CPU implementer')} part {part}"
    have = set((_field(text, "flags|Features") or "").split())
    return model, [word for word in _ISA if word in have]


def parse_cpus(folder: Path) -> dict[str, int | None]:
    """Sockets and threads per core, out of `/sys/devices/system/cpu`."""
    places = [place / "topology" for place in folder.glob("cpu[0-9]*")]
    sockets = {_text(place / "physical_package_id") for place in places} - {""}
    siblings = [_text(place / "thread_siblings_list") for place in places]
    threads = max((_count(text) for text in siblings), default=0)
    return {"sockets": len(sockets) or None, "threads_per_core": threads or None}


def parse_nodes(folder: Path) -> int | None:
    """NUMA nodes that have memory, out of `/sys/devices/system/node`."""
    return _count(_text(folder / "has_memory")) or None


def parse_caches(folder: Path) -> list[Cache]:
    """The data caches, nearest to the core first, out of `/sys/devices/system/cpu`."""
    sharers: dict[tuple[int, int], set[str]] = {}
    for place in folder.glob("cpu[0-9]*/cache/index[0-9]*"):
        size = re.fullmatch(r"(\d+)([KMG]?)", _text(place / "size"))
        level = _text(place / "level")
        if size and level and _text(place / "type") != "Instruction":
            kind = int(level), int(size[1]) * _UNITS[size[2]]
            sharers.setdefault(kind, set()).add(_text(place / "shared_cpu_list"))
    return [
        {"level": level, "bytes": size, "instances": len(sharers[level, size])}
        for level, size in sorted(sharers)
    ]


def _field(text: str, names: str) -> str | None:
    found = re.search(rf"^(?:{names})\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else None


def _count(listed: str) -> int:
    """How many numbers a kernel's list such as `0-3,8` holds."""
    spans = [part.partition("-") for part in listed.split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in spans)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
