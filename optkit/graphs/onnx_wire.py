"""Tells an ONNX file by its protobuf fields, reading a few bytes of it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

_VARINT, _LENGTH = 0, 2
_IR_VERSION, _GRAPH, _OPSET = 1, 7, 8
_FIELDS = {1: _VARINT, 2: _LENGTH, 3: _LENGTH, 4: _LENGTH, 5: _VARINT, 6: _LENGTH, 7: _LENGTH,
           8: _LENGTH, 14: _LENGTH, 20: _LENGTH, 25: _LENGTH, 26: _LENGTH}  # fmt: skip
_GRAPH_FIELDS = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})


def is_model(path: Path) -> bool:
    """Whether the whole file is one ModelProto: known fields, a graph, an operator set."""
    size = path.stat().st_size
    seen = set()
    with path.open("rb") as file:
        while file.tell() < size:
            number = _field(file, size)
            if number is None:
                return False
            seen.add(number)
    return {_IR_VERSION, _GRAPH, _OPSET} <= seen


def _field(file: IO[bytes], size: int) -> int | None:
    """Steps over one field of a ModelProto; its number, or None where it is none."""
    tag, value = _varint(file), _varint(file)
    if tag is None or value is None or _FIELDS.get(tag >> 3) != tag & 7:
        return None
    number = tag >> 3
    if number == _IR_VERSION and not 0 < value < 1000:
        return None
    if tag & 7 == _LENGTH:
        end = file.tell() + value
        if end > size or (number == _GRAPH and not _is_graph(file, end)):
            return None
        file.seek(end)
    return number


def _is_graph(file: IO[bytes], end: int) -> bool:
    """Whether the first fields up to `end` are a GraphProto's."""
    for _ in range(4):
        if file.tell() >= end:
            break
        tag = _varint(file)
        if tag is None or tag & 7 != _LENGTH or tag >> 3 not in _GRAPH_FIELDS:
            return False
        length = _varint(file)
        if length is None or file.tell() + length > end:
            return False
        file.seek(length, 1)
    return True


def _varint(file: IO[bytes]) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
