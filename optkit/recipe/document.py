"""YAML text to plain data, with the place of every key and value.

Scalars are read as YAML 1.2 does: `on` and `yes` are text, `1e-3` is a number, dates are text.
A recipe may come from anyone: tags are refused, size, depth and the expansion of aliases bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from optkit.recipe.places import KeyPath, Place, Positions, Problem, Unreadable, problem

MOST_CHARACTERS = 256 * 1024
MOST_NODES = 10_000
MOST_DEPTH = 32
MOST_DIGITS = 30

_TAG = "tag:yaml.org,2002:"
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        _FLOAT,
        list("-+.0123456789"),
    ),
)
_FAULTS = (
    (r"found character '\\t'", "a tab cannot indent", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a second ':' on one line",
        "put each key on a line of its own, or the text in quotes",
    ),
    (
        "expected <block end>",
        "this does not line up with what stands above",
        "give it the indentation of its neighbours",
    ),
    (
        "could not find expected ':'",
        "a key without ':'",
        "write key: value, and indent what belongs to a key",
    ),
    ("while scanning a quoted", "a quote is not closed", "close it on the same line"),
    (
        "unexpected end of stream|but got '<stream end>'",
        "the text ends inside a bracket or a quote",
        "close it",
    ),
    (
        "expected ',' or",
        "a list or mapping in brackets is not closed, or a ',' is missing",
        "separate its entries by ',' and close it",
    ),
    (
        "expected '<document start>'",
        "this belongs to nothing above it",
        "begin top-level keys in the first column; close every bracket just once",
    ),
    ("expected the node content", "a value is missing here", "give it one, or put it in quotes"),
    (
        "expected alphabetic or numeric",
        "'&' and '*' begin the name of an anchor",
        "put the text in quotes",
    ),
    ("expected a single document", "a second document begins here", "keep one recipe to a file"),
    ("undefined alias", "an alias (*) without its anchor (&)", "define the anchor above"),
    ("duplicate anchor", "an anchor (&) of that name was defined above", "rename one of them"),
    (
        "cannot start any token",
        "a character that no plain text begins with",
        "put the text in quotes",
    ),
)


class _Loader(yaml.SafeLoader):
    """PyYAML's reader with the scalars of YAML 1.2 and a bound on depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Unreadable(_too_deep(_place(self.get_mark())))
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def add_scalars(target: type[yaml.SafeLoader | yaml.SafeDumper]) -> None:
    """Teach a loader or dumper the scalars of YAML 1.2."""
    for name, pattern, first in _SCALARS:
        target.add_implicit_resolver(_TAG + name, re.compile(f"^(?:{pattern})$"), first)


add_scalars(_Loader)


@dataclass(frozen=True)
class Document:
    """What a text holds.

    Attributes:
        data: mappings, lists, texts, numbers, true / false, None; nothing shared between places.
        positions: where each of them stands.
        problems: duplicate keys and the like, which do not stop reading.
    """

    data: Any
    positions: Positions
    problems: tuple[Problem, ...] = ()


def read_document(text: str) -> Document | None:
    """Read one YAML document; None where there is none.

    Raises:
        Unreadable: the text is no YAML, or not of the kind that a recipe may be.
    """
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(
            problem(
                Place(1, 1),
                f"a recipe of more than {MOST_CHARACTERS // 1024} KiB",
                "a recipe names files, it does not hold them",
            )
        )
    node = _compose(text)
    if node is None:
        return None
    reader = _Reader()
    data = reader.build(node, ())
    return Document(data, Positions(reader.keys, reader.values), tuple(reader.problems))


def _compose(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise Unreadable(_bad_character(text, error.position)) from None
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_explain(error)) from None
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF", a directive of digits
        place = _place(loader.get_mark())
        raise Unreadable(
            problem(place, "not valid YAML: a number out of range", "correct it")
        ) from None
    finally:
        loader.dispose()


class _Reader:
    """Builds plain data out of nodes, noting places on the way."""

    def __init__(self) -> None:
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = _place(node.start_mark)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Unreadable(
                problem(
                    place,
                    f"a recipe of more than {MOST_NODES} values, aliases written out",
                    "use fewer aliases",
                )
            )
        if len(path) >= MOST_DEPTH:  # only aliases come here: the loader bounds the rest
            raise Unreadable(_too_deep(place))
        self.values[path] = place
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, place)
        raise Unreadable(_bad_tag(node.tag, place))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            is_word = isinstance(key_node, yaml.ScalarNode) and key_node.tag == _TAG + "str"
            if not is_word:
                raise Unreadable(
                    problem(
                        place,
                        "a key must be a word",
                        "a dynamic dimension is written in quotes, '?'; so is a key of digits",
                    )
                )
            key = key_node.value
            if key in out:
                first = self.keys[*path, key]
                self.problems.append(
                    problem(
                        place,
                        f"'{key}' stands here twice",
                        f"keep one; the first is on line {first.line}",
                    )
                )
                continue
            self.keys[*path, key] = place
            out[key] = self.build(value_node, (*path, key))
        return out


def _scalar(node: yaml.ScalarNode, place: Place) -> Any:
    text, kind = node.value, node.tag.removeprefix(_TAG)
    try:
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int" if len(text) <= MOST_DIGITS:
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            case "float":
                return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
    except (ValueError, KeyError):
        raise Unreadable(
            problem(
                place, "a number or word that cannot be read", "correct it, or put it in quotes"
            )
        ) from None
    if kind == "int":
        raise Unreadable(problem(place, "a number out of range", "correct it"))
    raise Unreadable(_bad_tag(node.tag, place))


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _too_deep(place: Place) -> Problem:
    return problem(place, f"nested more than {MOST_DEPTH} deep", "a recipe needs far less")


def _bad_tag(tag: str, place: Place) -> Problem:
    shown = tag.replace(_TAG, "!!")
    return problem(place, f"the tag {shown} is not allowed in a recipe", "write the plain value")


def _bad_character(text: str, index: int) -> Problem:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    code = f"U+{ord(text[index]):04X}"
    return problem(Place(line, column), f"the character {code} is not allowed in YAML", "remove it")


def _explain(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Place(1, 1) if mark is None else _place(mark)
    told = f"{error.context or ''} {error.problem or ''}"
    for pattern, message, hint in _FAULTS:
        if re.search(pattern, told):
            return problem(place, f"not valid YAML: {message}", hint)
    return problem(place, f"not valid YAML: {error.problem or error.context}", "correct the line")
