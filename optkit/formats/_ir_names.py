"""Takes the process's history out of an IR file."""

from __future__ import annotations

import re
from collections import Counter

_LAYER_TYPE = re.compile(r'<layer [^>]*?\btype="([^"]+)"')
_NAMES = re.compile(
    r'(?P<head><net name="|<layer [^>]*?\bname="|<attribute name="fused_names"[^>]*? value=")'
    r'(?P<name>[^"]*)'
)


def canonical_names(xml: str) -> str:
    """The text of an IR with auto-generated names numbered by where they stand in the file.

    OpenVINO names what has no name after its type and a counter of the process (`Convert_1234`,
    `Model2`), and builds further names on those. Each type is counted from 0 here. Names of tensors
    are the model's own and stay.
    """
    types = sorted({*_LAYER_TYPE.findall(xml)}, key=len, reverse=True)
    if not types:
        return xml
    token = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, types))})_\d+(?![A-Za-z0-9])")
    numbers: Counter[str] = Counter()
    renamed: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] not in renamed:
            renamed[match[0]] = f"{match[1]}_{numbers[match[1]]}"
            numbers[match[1]] += 1
        return renamed[match[0]]

    def rename(match: re.Match[str]) -> str:
        if match["head"].startswith("<net"):
            return f"{match['head']}model"
        return match["head"] + token.sub(number, match["name"])

    return _NAMES.sub(rename, xml)
