import pytest

from optkit.recipe.load import parse
from optkit.recipe.places import Unreadable
from optkit.recipe.versions.draft import Draft, Edit
from optkit.recipe.versions.migrate import MIGRATIONS, migrated

DRAFT = """\
# yaml-language-server: $schema=x
# What becomes of it.
model: {path: m.onnx}   # beside
to: onnx

# bounds
gates: {cosine: {min: 0.9}}
"""


def test_a_draft_gets_its_version_and_keeps_its_comments() -> None:
    new = migrated(DRAFT)
    assert (new.before, new.after) == (0, 1)
    assert new.text == DRAFT.replace("model:", "optkit: 1\nmodel:")
    assert parse(new.text, "r.yaml").recipe.gates["cosine"].min == 0.9
    assert migrated(new.text).text == new.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{to: onnx}\n", "{optkit: 1, to: onnx}\n"),
        ("to: onnx\r\nseed: 1\r\n", "optkit: 1\r\nto: onnx\r\nseed: 1\r\n"),
        ("optkit: 0 # draft\nto: onnx\n", "optkit: 1 # draft\nto: onnx\n"),
        ("---\nto: onnx\n", "---\noptkit: 1\nto: onnx\n"),
        ("  to: onnx\n  seed: 1\n", "  optkit: 1\n  to: onnx\n  seed: 1\n"),
        ("optkit: 1\nto: ${env:GONE}\n", "optkit: 1\nto: ${env:GONE}\n"),
    ],
)
def test_whatever_way_it_is_written(before: str, after: str) -> None:
    assert migrated(before).text == after


def test_each_version_that_was_left_behind_has_a_way_on() -> None:
    assert set(MIGRATIONS) == {0}


def test_steps_follow_one_another() -> None:
    """
    Given:
        a form whose second version spells `to` as `targets`, and whose third has a pass renamed
    Result:
        both done to a draft, everything else as it was
    """

    def from_1(draft: Draft) -> list[Edit]:
        return [*draft.renamed(("to",), "targets"), *draft.replaced(("optkit",), "2")]

    def from_2(draft: Draft) -> list[Edit]:
        edits = draft.replaced(("optkit",), "3")
        for index in range(9):
            edits += draft.renamed(("passes", index, "quantise"), "quantize_int8")
            edits += draft.replaced(("passes", index, "quantise", "preset"), "mixed")
        return edits

    text = DRAFT + "passes:\n  - simplify # first\n  - quantise: {preset: old} # then\n"
    new = migrated(text, {**MIGRATIONS, 1: from_1, 2: from_2}, version=3)
    assert (new.before, new.after) == (0, 3)
    assert new.text == (
        text
        .replace("model:", "optkit: 3\nmodel:")
        .replace("to: onnx", "targets: onnx")
        .replace("quantise: {preset: old}", "quantize_int8: {preset: mixed}")
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "the recipe is empty"),
        ("- 1\n", (1, 1), "a recipe must be a mapping, found a list"),
        ("optkit: two\n", (1, 9), "no version: 'two'"),
        ("optkit: -1\n", (1, 9), "no version: -1"),
        ("optkit: true\n", (1, 9), "no version: true"),
        ("to: ir\noptkit: 2\n", (2, 9), "version 2 of the recipe's form needs a newer optkit"),
        ("to: [ir\n", (2, 1), "not valid YAML: the text ends inside a bracket or a quote"),
    ],
)
def test_what_is_no_recipe_is_told(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        migrated(text)
    problem = caught.value.problem
    assert ((problem.line, problem.column), problem.message) == (place, message)
    assert problem.hint
