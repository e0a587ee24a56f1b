"""The machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

# The instruction sets that decide how fast a network can run, as the kernel spells them.
_ISA = (
    "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_int8", "amx_bf16", "amx_tile", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip


@cache
def machine() -> dict[str, object]:
    """Processor, cores this process may use, instruction sets that matter, operating system."""
    text = _cpuinfo()
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    have = set(flags[1].split()) if flags else set()
    return {
        "cpu": model[1].strip() if model else platform.processor() or platform.machine(),
        "cores": cores(),
        "isa": [word for word in _ISA if word in have],
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
