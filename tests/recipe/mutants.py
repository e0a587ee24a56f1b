"""Recipes with something done to them: what each must come to, told by how it was made."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml


@dataclass(frozen=True)
class Mutant:
    """A recipe's bytes.

    Attributes:
        name: what was done to it.
        content: the file.
        code: what `optkit lint` must end with; None where only some end is known.
        line: the line that the one message must name; None where any line may be it.
    """

    name: str
    content: bytes
    code: int | None = None
    line: int | None = None


Rng = random.Random
Maker = Callable[[str, Rng], Mutant]

WRONG_VALUES: dict[str, list[str]] = {
    "optkit": ["one", "'1'", "0", "2", "1.5", "[1]"],
    "model.path": ["7", "[a]", "{a: 1}", "true", "''", "1.5"],
    "data.calibration.path": ["7", "[a]", "''", "false"],
    "data.validation.metric": ["[accuracy]", "{a: b}", "12"],
    "to": ["irr", "3", "true", "{ir: 1}", "[ir, irr]", "[ir, ir]", "''"],
    "precision": ["int9", "8", "[int8]", "INT8"],
    "benchmark.seconds": ["fast", "-1", "0", "[1]", "'3'", ".nan", ".inf", "1e400"],
    "benchmark.devices": ["CPU", "[]", "[7]", "{CPU: 1}"],
    "benchmark.scenarios": ["[ofline]", "offline", "[[offline]]"],
    "gates.speedup": ["1.5", "{}", "{max: high}", "{mx: 1}", "{min: 2, max: 1}", "[1]"],
    "gates.cosine": ["true", "{min: .nan}", "{min: '0.9'}"],
    "gates.size_ratio": ["{max: [1]}", "'<= 0.3'"],
    "seed": ["-1", "x", "1.5", "1e3", "9" * 40],
    "passes": [
        "7",
        "[7]",
        "[{simplify: {}, trace: {}}]",
        "[nope]",
        "[[simplify]]",
        "{simplify: {}}",
    ],
}

BROKEN_LINES = [
    "\tkey: 1", "a: b: c", "list: [1, 2", "text: 'open", 'text: "open', "alias: *nowhere",
    "tag: !!python/object:os.system x", "tag: !thing {}", "at: @x", "<<: {seed: 1}", "? [a]",
    "1: x", "${env:HOME}: x", "%TAG", "--- second", "}", "- entry",
]  # fmt: skip


def nodes(text: str) -> Iterator[tuple[str, yaml.Node | None, yaml.Node]]:
    """Every dotted path with its key and value; entries of lists have no key."""

    def walk(node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node | None, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = f"{path}.{key.value}".lstrip(".")
                yield inner, key, value
                yield from walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                yield f"{path}.{index}", None, value
                yield from walk(value, f"{path}.{index}")

    root = yaml.compose(text)
    assert root is not None
    yield from walk(root, "")


def misspelt(text: str, rng: Rng) -> Mutant:
    _, key, _ = rng.choice([one for one in nodes(text) if one[1] is not None])
    at = rng.randrange(key.start_mark.index, key.end_mark.index + 1)
    changed = text[:at] + "qx" + text[at:]
    return Mutant(f"misspelt {key.value}", changed.encode(), 2, key.start_mark.line + 1)


def wrong_value(text: str, rng: Rng) -> Mutant:
    known = [one for one in nodes(text) if one[0] in WRONG_VALUES]
    path, _, value = rng.choice(known)
    new = rng.choice(WRONG_VALUES[path])
    rest = text[value.end_mark.index :]
    block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    if block:
        new = f"{new}\n"
        line = text[: value.start_mark.index].rstrip().count("\n") + 1
        changed = text[: value.start_mark.index].rstrip() + " " + new + rest
    else:
        line = value.start_mark.line + 1
        changed = text[: value.start_mark.index] + new + rest
    return Mutant(f"{path}: {new.strip()}", changed.encode(), 2, line)


def no_value(text: str, rng: Rng) -> Mutant:
    known = [
        one
        for one in nodes(text)
        if one[1] is not None and not one[0].startswith("passes.") and holds_no_more(one[2])
    ]
    path, key, value = rng.choice(known)
    changed = text[: value.start_mark.index] + text[value.end_mark.index :]
    return Mutant(f"{path} without a value", changed.encode(), 2, key.start_mark.line + 1)


def holds_no_more(node: yaml.Node) -> bool:
    return not isinstance(node, yaml.CollectionNode)


def missing(text: str, rng: Rng) -> Mutant:
    """A key that must be there is not."""
    found = {path: (key, value) for path, key, value in nodes(text)}
    name = rng.choice(["optkit", "model"])
    key, value = found[name]
    changed = text[: key.start_mark.index] + text[value.end_mark.index :].lstrip("\n")
    return Mutant(f"no {name}", changed.encode(), 2)


def twice(text: str, rng: Rng) -> Mutant:
    line = f"seed: {rng.randrange(9)}\n"
    again = line if "\nseed:" in text else line + line
    changed = text.rstrip("\n") + "\n" + again
    return Mutant("a key twice", changed.encode(), 2, changed.count("\n"))


def unknown_key(text: str, rng: Rng) -> Mutant:
    heads = [match.start() for match in re.finditer(r"^(?=[a-z]\w*:)", text, re.MULTILINE)]
    at = rng.choice(heads)
    word = rng.choice(["zeed", "gate", "passe", "x", "Model", "model.path", "__proto__", "né"])
    changed = text[:at] + f"{word}: 1\n" + text[at:]
    return Mutant(f"unknown key {word}", changed.encode(), 2, changed[:at].count("\n") + 1)


def broken_yaml(text: str, rng: Rng) -> Mutant:
    """A line that is no YAML, or not of the kind that a recipe takes; told there or after it."""
    line = rng.choice(BROKEN_LINES)
    changed = text.rstrip("\n") + "\n" + line + "\n"
    return Mutant(f"line {line!r}", changed.encode(), 2)


def bomb(text: str, rng: Rng) -> Mutant:
    width, depth = rng.randint(8, 12), rng.randint(5, 9)
    names = [f"n{index}" for index in range(depth)]
    laughs = "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * width)}]\n" for old, new in pairwise(names)
    )
    texts = [
        f"n0: &n0 [{', '.join('x' * width)}]\n{laughs}",
        "seed: " + "[" * rng.randint(33, 5000) + "\n",
        "seed: " + "{a: " * rng.randint(33, 900) + "\n",
        "seed: " + "- " * rng.randint(33, 400) + "\n",
        "loop: &loop [*loop]\n",
        f"# {'x' * 300_000}\n",
        f"seed: {'9' * rng.randint(31, 90_000)}\n",
        f"data: {{calibration: {{path: '{'x' * rng.randint(262_144, 400_000)}'}}}}\n",
        "? " * rng.randint(33, 900) + "\n",
    ]
    return Mutant("bomb", (text + rng.choice(texts)).encode(), 2)


def other_path(text: str, rng: Rng, words: list[str]) -> Mutant:
    path, _, value = rng.choice([one for one in nodes(text) if one[0].endswith(".path")])
    word = rng.choice(words)
    changed = text[: value.start_mark.index] + word + text[value.end_mark.index :]
    return Mutant(f"{path}: {word}", changed.encode(), 2, value.start_mark.line + 1)


def variable(text: str, rng: Rng) -> Mutant:
    words = [
        "${env:OPTKIT_NOT_SET}",
        "${HOME}",
        "${env:}",
        "${env:1X}",
        "x/${env:OPTKIT_NOT_SET}/y",
    ]
    return other_path(text, rng, [f'"{word}"' for word in words])


def escape(text: str, rng: Rng) -> Mutant:
    words = [
        "../model.pt",
        "/etc/passwd",
        "a/../../b.npz",
        "~/x.npz",
        "'..'",
        "./../x",
        "link/m.pt",
    ]
    return other_path(text, rng, words)


def bad_include(text: str, rng: Rng) -> Mutant:
    word = rng.choice(["gone.yaml", "../x.yaml", "/etc/hosts", "[]x", "7", ".", "bad.yaml",
                       "recipe.yaml", "cycle.yaml", "[common.yaml, gone.yaml]"])  # fmt: skip
    changed = text.rstrip("\n") + f"\ninclude: {word}\n"
    return Mutant(f"include: {word}", changed.encode(), 2)


def bad_bytes(text: str, rng: Rng) -> Mutant:
    content = text.encode()
    at = rng.randrange(len(content))
    choices = [
        text.encode("utf-16"), text.encode("utf-32"), content[:at] + b"\xff\xfe" + content[at:],
        content + b'x: "\\0"\n', content + b'x: "\\ud800"\n',
        content + b"\x00", content + b"x: \x1b[0m\n",
        b"", b"\n\n", b"# nothing\n", b"---\n", b"null\n", b"7\n", b"- a\n", b"\xef\xbb\xbf",
    ]  # fmt: skip
    return Mutant("bytes", rng.choice(choices), 2)


def swapped_passes(text: str, rng: Rng) -> Mutant:
    data = yaml.safe_load(text)
    data["passes"] = ["quantize_int8", rng.choice(["fuse_batchnorm", "simplify"])]
    data["to"] = "ir"
    data["precision"] = "int8"
    changed = yaml.safe_dump(data, sort_keys=False)
    line = changed[: changed.index("- quantize_int8")].count("\n") + 1
    return Mutant("passes swapped", changed.encode(), 2, line)


def harmless(text: str, rng: Rng) -> Mutant:
    """The same recipe, written otherwise."""
    data: dict[str, Any] = yaml.safe_load(text)
    keys = list(data)
    rng.shuffle(keys)
    shuffled = {key: data[key] for key in keys}
    lines = text.splitlines()
    at = rng.choice([index for index, line in enumerate(lines) if re.match(r"[a-z]", line)])
    ways: list[Callable[[], str | bytes]] = [
        lambda: yaml.safe_dump(shuffled, sort_keys=False),
        lambda: yaml.safe_dump(shuffled, default_flow_style=True),
        lambda: yaml.safe_dump(shuffled, default_style='"', sort_keys=False)
        if not re.search(r"[:\[ ][0-9]", text) else json.dumps(shuffled),
        lambda: json.dumps(shuffled, indent=rng.choice([None, 2])),
        lambda: text.replace("\n", "\r\n"),
        lambda: b"\xef\xbb\xbf" + text.encode(),
        lambda: f"---\n{text}...\n",
        lambda: "\n".join([*lines[:at], "# a comment", "", *lines[at:]]) + "\n",
        lambda: text + f"seed: {rng.randrange(100)}\n" if "seed" not in data else text,
        lambda: text.rstrip("\n"),
        lambda: text + "include: common.yaml\n",
        lambda: text.replace("optkit: 1", "optkit: ${env:OPTKIT_SET}"),
    ]  # fmt: skip
    made = rng.choice(ways)()
    return Mutant("harmless", made if isinstance(made, bytes) else made.encode(), 0)


WRONG = [None, True, -1, 0, 3.5, "", "x", [], {}, [[]], {"x": {"y": 1}}, [None], "9" * 60, 10**29,
         "${env:", "a\nb", "é" * 300, "../..", "\x85", "module:make"]  # fmt: skip
SIGNS = ["\t", ":", "{", "]", "'", '"', "&", "*", "!", "? ", "- ", "\n", "|", "%", "@", "\x00",
         "<<: ", "${", "$", "\r", "\x85", "#", ">", "~", "\\", ",", "}"]  # fmt: skip


def data_at_random(text: str, rng: Rng) -> Mutant:
    """Keys or entries dropped, renamed, set to something else, or moved; order shuffled."""
    data = yaml.safe_load(text)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(_places(data) or [("seed",)])
        holder: Any = data
        for part in path[:-1]:
            holder = holder[part]
        match rng.choice(["drop", "rename", "wrong", "wrong", "move"]):
            case "drop":
                holder.pop(path[-1]) if isinstance(holder, list) else holder.pop(path[-1], None)
            case "rename" if isinstance(holder, dict) and path[-1] in holder:
                key = str(path[-1])
                cut = rng.randrange(len(key)) if key else 0
                holder[key[:cut] + key[cut + 1 :]] = holder.pop(path[-1])
            case "move":
                data[rng.choice(["to", "gates", "passes", "data"])] = holder[path[-1]]
            case _:
                holder[path[-1]] = rng.choice(WRONG)
    entries = list(data.items())
    rng.shuffle(entries)
    flow = rng.choice([None, True])
    made = yaml.safe_dump(
        dict(entries), sort_keys=False, default_flow_style=flow, allow_unicode=True
    )
    return Mutant("data", made.encode())


def text_at_random(text: str, rng: Rng) -> Mutant:
    """Characters put in or cut out, lines doubled, dropped, indented or swapped."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text)) if text else 0
        lines = text.splitlines(keepends=True) or [""]
        line = rng.randrange(len(lines))
        match rng.choice(["insert", "insert", "cut", "double", "drop", "indent", "swap", "end"]):
            case "insert":
                text = text[:at] + rng.choice(SIGNS) + text[at:]
            case "cut":
                text = text[:at] + text[at + rng.randint(1, 5) :]
            case "double":
                text = "".join(lines[: line + 1] + lines[line:])
            case "drop":
                text = "".join(lines[:line] + lines[line + 1 :])
            case "indent":
                lines[line] = rng.choice([" ", "  ", "\t"]) + lines[line]
                text = "".join(lines)
            case "swap":
                rng.shuffle(lines)
                text = "".join(lines)
            case "end":
                text = text[: at + 1]
    return Mutant("text", text.encode())


def _places(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(data, dict):
        inner = data.items()
    elif isinstance(data, list):
        inner = enumerate(data)
    return [path] * bool(path) + [p for key, value in inner for p in _places(value, (*path, key))]


MAKERS: tuple[Maker, ...] = (
    misspelt, wrong_value, no_value, missing, twice, unknown_key, broken_yaml, bomb, variable,
    escape, bad_include, bad_bytes, swapped_passes, harmless, harmless,
    data_at_random, data_at_random, data_at_random, text_at_random, text_at_random,
)  # fmt: skip
