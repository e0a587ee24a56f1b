"""Takes the process's history out of an IR file."""

from __future__ import annotations

import re
from collections import Counter

_NAMES = re.compile(
    r'(?P<head><net name="|<layer [^>]*?\bname="|<attribute name="fused_names"[^>]*? value=")'
    r'(?P<name>[^"]*)(?P<tail>"(?: type="(?P<kind>[^"]*)")?)'
)
_AUTOMATIC = re.compile(r"(?<![^ ,])([A-Z][A-Za-z0-9]*)_\d+(?![A-Za-z0-9])")


def canonical_names(xml: str) -> str:
    """The text of an IR with auto-generated names numbered by where they stand in the file.

    OpenVINO names what has no name after its type and a counter of the process (`Convert_1234`,
    `Model2`), and starts further names with those. Each type is counted from 0 here. Names of
    tensors are the model's own and stay.
    """
    numbers: Counter[str] = Counter()
    renamed: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] not in renamed:
            renamed[match[0]] = f"{match[1]}_{numbers[match[1]]}"
            numbers[match[1]] += 1
        return renamed[match[0]]

    def rename(match: re.Match[str]) -> str:
        if match["head"].startswith("<net"):
            return f"{match['head']}model{match['tail']}"
        if match["kind"] == "Parameter" and not match["name"].startswith("Parameter_"):
            return match[0]  # an input without tensor names is known by this one
        return match["head"] + _AUTOMATIC.sub(number, match["name"]) + match["tail"]

    return _NAMES.sub(rename, xml)
