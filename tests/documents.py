"""The consoles shown in the documents: found, run, compared, and written anew.

A ```console block holds commands behind `$ ` and what they print. `python tests/documents.py`
runs them all and writes what they print into the documents, or into those that it names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "docs" / "ci.md",
    ROOT / "docs" / "recipes.md",
    *sorted((ROOT / "examples").glob("*/README.md")),
]

_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
# What a slow machine adds, or one with half precision, and what differs from run to run.
_OCCASIONAL = re.compile(
    r"^([\w -]+: \d+ of \d+|the machine was busy, .*|\W*(speed)?\s+against fp32 in b?f16 .*)$"
)
_DIGEST = re.compile(r"\bsha256 +[0-9a-f]+")
_NUMBER = re.compile(r"\d[\d.,]*(e[+-]?\d+)?([kMG]\b)?")
_VERDICT = re.compile(r"\b(faster|slower|no difference|too noisy)$")


def consoles(text: str) -> list[str]:
    """The bodies of a document's console blocks."""
    return _BLOCK.findall(text)


def play(document: Path) -> list[str]:
    """Run a document's commands, in order, in a copy of the examples; the blocks as they came out.

    A document's commands share one folder and one store, empty at the start. A README of an
    example is run in the example's folder, any other document at the top.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "optkit"
        shutil.copytree(ROOT / "examples", copy / "examples")
        place = copy / document.parent.relative_to(ROOT)
        place = place if place.is_dir() else copy
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OPTKIT_CACHE_DIR": str(Path(scratch) / "store"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        return [
            "".join(_played(line[2:], place, env) for line in body.splitlines() if line[:2] == "$ ")
            for body in consoles(document.read_text(encoding="utf-8"))
        ]


def _played(command: str, place: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    kept = [line for line in lines if not _OCCASIONAL.match(line)]
    return f"$ {command}\n" + re.sub(r"\n{3,}", "\n\n", "\n".join([*kept, ""]))


def shape(text: str) -> list[str]:
    """The text without what differs from run to run: numbers, verdicts, widths, rules, empty
    lines."""
    lines = []
    for line in text.splitlines():
        said = line.startswith(("$ ", "exit "))
        kept = line if said else _NUMBER.sub("#", _DIGEST.sub("#", line))
        kept = " ".join(_VERDICT.sub("(verdict)", kept.replace("─", " ").rstrip()).split())
        if kept and not _OCCASIONAL.match(line):
            lines.append(kept)
    return lines


def _rewrite(document: Path) -> None:
    """Write what came out otherwise than it is shown; where figures alone differ, they stay."""
    played = iter(play(document))

    def fresh(match: re.Match[str]) -> str:
        found = next(played)
        return match[0] if shape(found) == shape(match[0]) else found

    text = document.read_text(encoding="utf-8")
    document.write_text(_BLOCK.sub(fresh, text), encoding="utf-8")


if __name__ == "__main__":
    for path in [Path(name).absolute() for name in sys.argv[1:]] or DOCUMENTS:
        _rewrite(path)
