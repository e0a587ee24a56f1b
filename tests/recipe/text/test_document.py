import math

import pytest

from optkit.recipe.places import Place, Unreadable
from optkit.recipe.text.document import read_document
from optkit.recipe.text.loader import MOST_CHARACTERS


def data(text: str) -> object:
    document = read_document(text)
    assert document is not None
    return document.data


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "[on, yes, No, true, FALSE, 1e-3, 1., .5, -3, 0x1F, 0o17, 1_000, 12:30, 2024-01-01, ~]"
    assert data(text) == [
    "on", "yes", "No", True, False, 0.001, 1.0, 0.5, -3, 31, 15, "1_000", "12:30",
    "2024-01-01", None,
    ]  # fmt: skip
    assert data("[.inf, -.INF]") == [math.inf, -math.inf]
    assert math.isnan(data(".nan"))  # type: ignore[arg-type]
    assert data("['1', \"true\", !!str 7, 1..64]") == ["1", "true", "7", "1..64"]


def test_every_key_and_value_has_its_place() -> None:
    document = read_document("a: 1\nb:\n  - c: x\n    d: [5, 6]\n  - y\n")
    assert document is not None
    assert document.positions.keys == {
        ("a",): Place(1, 1),
        ("b",): Place(2, 1),
        ("b", 0, "c"): Place(3, 5),
        ("b", 0, "d"): Place(4, 5),
    }
    values = document.positions.values
    assert values["b", 0, "d", 1] == Place(4, 12)
    assert values["b", 1] == Place(5, 5)
    assert values["a",] == Place(1, 4)
    assert document.positions.value(("b", 0, "d", 9, "z")) == Place(4, 8)


FAULTS = {
    "a: 1\n\tb: 2": ((2, 1), "not valid YAML: a tab cannot indent"),
    "a: b: c": ((1, 5), "not valid YAML: a second ':' on one line"),
    "a: [1, 2\nb: 3": (
        (2, 2),
        "not valid YAML: a list or mapping in brackets is not closed, or a ',' is missing",
    ),
    "a: 'x": ((1, 6), "not valid YAML: a quote is not closed"),
    "a: 1\n b: 2": ((2, 3), "not valid YAML: a second ':' on one line"),
    "a:\n  - 1\n b: 2": (
        (3, 2),
        "not valid YAML: this does not line up with what stands above",
    ),
    "a: *x": ((1, 4), "not valid YAML: an alias (*) without its anchor (&)"),
    "a: @x": ((1, 4), "not valid YAML: a character that no plain text begins with"),
    "a: 1\n---\nb: 2": ((2, 1), "not valid YAML: a second document begins here"),
    "a: !!python/object:os.system x": (
        (1, 4),
        "the tag !!python/object:os.system is not allowed in a recipe",
    ),
    "a: !thing {}": ((1, 4), "the tag !thing is not allowed in a recipe"),
    "a: !!int x": ((1, 4), "a number or word that cannot be read"),
    "a: " + "9" * 5000: ((1, 4), "a number out of range"),
    "1: x": ((1, 1), "a key must be a word"),
    "? [a]\n: x": ((1, 3), "a key must be a word"),
    "a: x\x07y": ((1, 5), "the character U+0007 is not allowed in YAML"),
    "a: &r [*r]": ((1, 4), "nested more than 32 deep"),
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:20])
def test_what_cannot_be_read_is_told_at_its_place(text: str) -> None:
    place, message = FAULTS[text]
    with pytest.raises(Unreadable) as caught:
        read_document(text)
    problem = caught.value.problem
    assert ((problem.line, problem.column), problem.message) == (place, message)
    assert problem.hint


def test_size_depth_and_expansion_are_bounded() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    for text, message in {
        bomb: "a recipe of more than 10000 values, aliases written out",
        "[" * 100_000: "nested more than 32 deep",
        "- " * 100: "nested more than 32 deep",
        "#" * (MOST_CHARACTERS + 1): "a recipe of more than 256 KiB",
    }.items():
        with pytest.raises(Unreadable) as caught:
            read_document(text)
        assert caught.value.problem.message == message


def test_nothing_is_no_document() -> None:
    assert read_document("") is None
    assert read_document("# only a comment\n") is None
