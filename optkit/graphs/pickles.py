"""What a pickle would import, listed without running any of it."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from pathlib import Path
from typing import IO

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # what torch.save pickled first before it wrote zip files
_LEGACY_PICKLES = 5  # magic, protocol, system, the object, storage keys

_PLAIN = frozenset({
    "collections.OrderedDict",
    "collections.Counter",
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch._tensor._rebuild_from_type_v2",
    "_codecs.encode",
    "__builtin__.set",
    "__builtin__.bytearray",
    "__builtin__.complex",
    "builtins.set",
    "builtins.bytearray",
    "builtins.complex",
})  # fmt: skip
_PLAIN_PATTERN = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\.\w+Storage|torch\.(per_\w+_(affine|symmetric)\w*)"
    r"|torch\.(u?int\d+|b?float\d+\w*|bool|complex\d+|q?u?int\d+(x\d)?|half|double|long|bits\w+)"
)
_STRINGS = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE",
                      "SHORT_BINUNICODE", "BINUNICODE8"})  # fmt: skip
_NEUTRAL = frozenset({"PROTO", "FRAME"})
_STORE = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FETCH = frozenset({"GET", "BINGET", "LONG_BINGET"})


def pickled_classes(path: Path) -> tuple[str, ...]:
    """Dotted names that unpickling a torch.save file would import, beyond those of plain tensors.

    A name that the pickle computes instead of writing it out is listed as `<computed>`; a file
    whose pickle cannot be read to its end lists `<unreadable>`. Sorted; empty for a state dict.
    """
    legacy = is_legacy(path)
    with path.open("rb") as file:
        return _beyond_plain(file, _LEGACY_PICKLES) if legacy else archived_classes(file)


def is_legacy(path: Path) -> bool:
    """Whether `path` begins as torch.save's files did before zip, in any pickle protocol."""
    with path.open("rb") as file:
        head = io.BytesIO(file.read(64))
    try:
        values = [argument for _, argument, _ in pickletools.genops(head)]
    except (ValueError, EOFError, IndexError, KeyError, UnicodeError):
        return False
    return _LEGACY_MAGIC in values


def archived_classes(file: IO[bytes]) -> tuple[str, ...]:
    """`pickled_classes` of an open zip archive of torch.save."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = {
                name
                for member in archive.namelist()
                if member.endswith(".pkl")
                for name in _beyond_plain(io.BytesIO(archive.read(member)), 1)
            }
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return ("<unreadable>",)
    return tuple(sorted(found))


def _beyond_plain(file: IO[bytes], pickles: int) -> tuple[str, ...]:
    found: set[str] = set()
    try:
        for _ in range(pickles):
            found |= _imports(file)
    except (ValueError, EOFError, IndexError, KeyError, UnicodeError):
        found.add("<unreadable>")
    plain = {name for name in found if name in _PLAIN or _PLAIN_PATTERN.fullmatch(name)}
    return tuple(sorted(found - plain))


def _imports(file: IO[bytes]) -> set[str]:
    """Every global of one pickle, up to its STOP.

    Of the stack only strings that were just pushed are followed; any other opcode forgets them, so
    that a name is either read right or reported as computed.
    """
    found: set[str] = set()
    pushed: list[str | None] = [None, None]
    memo: dict[int, str | None] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in {"GLOBAL", "INST"}:
            found.add(".".join(str(argument).split(" ", 1)))
            pushed.append(None)
        elif name == "STACK_GLOBAL":
            found.add(_joined(pushed))
            pushed += [None, None]
        elif name.startswith("EXT"):
            found.add("<computed>")
            pushed += [None, None]
        elif name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif name in _STORE:
            memo[int(argument or 0)] = pushed[-1]
        elif name in _FETCH:
            pushed.append(memo.get(int(argument or 0)))
        elif name in _STRINGS:
            pushed.append(str(argument))
        elif name not in _NEUTRAL:
            pushed += [None, None]
        del pushed[:-2]
    return found


def _joined(pushed: list[str | None]) -> str:
    module, attribute = pushed[-2:]
    return "<computed>" if module is None or attribute is None else f"{module}.{attribute}"
