from pathlib import Path
from typing import Any

import pytest

from optkit.core.errors import OptkitError
from optkit.recipe.load import load_recipe, parse, problems
from optkit.recipe.text.document import read_document

ENVIRONMENT = {"DIR": "data", "N": "7", "EMPTY": "", "TRUE": "true", "LIST": "[1, 2]",
               "SELF": "${env:N}", "LONG": "x" * 70_000}  # fmt: skip


def data(text: str) -> Any:
    document = read_document(text, ENVIRONMENT)
    assert document is not None
    assert not document.problems
    assert not document.unset
    return document.data


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${env:DIR}/a.npz", "data/a.npz"),
        ('"${env:DIR}/${env:N}"', "data/7"),
        ("${env:GONE:-other}/a", "other/a"),
        ("${env:EMPTY:-other}", "other"),
        ("${env:DIR:-other}", "data"),
        ("${env:GONE:-}x", "x"),
        ("'$${env:DIR}'", "${env:DIR}"),
        ("a$b $c", "a$b $c"),
        ("${env:N}", 7),
        ("'${env:N}'", "7"),
        ("${env:TRUE}", True),
        ("${env:GONE:-1e-3}", 0.001),
        ("'${env:EMPTY}'", ""),
        ("${env:EMPTY}", ""),
        ("${env:LIST}", "[1, 2]"),
        ("${env:SELF}", "${env:N}"),
    ],
)
def test_a_variable_is_text_and_no_more(written: str, read: object) -> None:
    assert data(f"a: {written}") == {"a": read}


FAULTS = {
    "a: ${env:GONE}": ((1, 4), "the environment variable GONE is not set"),
    "a:\n  - x/${env:GONE}/y": ((2, 7), "the environment variable GONE is not set"),
    'a: "x${env:GONE}"': ((1, 6), "the environment variable GONE is not set"),
    'a: "\\t${env:GONE}"': ((1, 4), "the environment variable GONE is not set"),
    "a: >\n  x\n  ${env:GONE}": ((1, 4), "the environment variable GONE is not set"),
    "a: ${HOME}": ((1, 4), "no variable: '${HOME}'"),
    "a: ${env:}": ((1, 4), "no variable: '${env:}'"),
    "a: ${env:A-B}": ((1, 4), "no variable: '${env:A-B}'"),
    "a: ${env:N": ((1, 4), "no variable: '${env:N'"),
    "a: ${env:LONG}": ((1, 4), "more than 64 KiB of text by the variable LONG"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_no_variable_is_told_at_its_place(text: str) -> None:
    document = read_document(text, ENVIRONMENT)
    assert document is not None
    ((found,),) = document.unset.values()
    assert ((found.line, found.column), found.message) == FAULTS[text]
    assert found.hint


def test_a_key_holds_no_variable_and_brackets_want_quotes() -> None:
    head = "optkit: 1\nmodel: {path: m.onnx}\nto: onnx\n"
    (found,) = problems(head + "${env:KEY}: 1\n")
    assert found.text("r.yaml") == "r.yaml:4:1: a key cannot hold a variable"
    (found,) = problems(head.replace("m.onnx", "${env:MODEL}"))
    assert found.text("r.yaml") == (
        "r.yaml:2:16: not valid YAML: a variable among brackets must stand in quotes"
    )


def test_all_that_are_missing_are_told_and_nothing_that_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPTKIT_NOT_SET", raising=False)
    text = (
        "optkit: 1\nmodel:\n  path: ${env:OPTKIT_NOT_SET}\nto: ${env:OPTKIT_NOT_SET}\n"
        "seed: ${env:OPTKIT_NOT_SET}\nprecison: int8\n"
    )
    assert [(one.line, one.message.split(" '")[0]) for one in problems(text)] == [
        (3, "the environment variable OPTKIT_NOT_SET is not set"),
        (4, "the environment variable OPTKIT_NOT_SET is not set"),
        (5, "the environment variable OPTKIT_NOT_SET is not set"),
        (6, "unknown key"),
    ]
    given = ["model.path=m.pt", "to=ir", "seed=3"]
    assert [one.line for one in problems(text, given)] == [6]


def test_the_environment_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTKIT_DATA", "sets")
    monkeypatch.setenv("OPTKIT_SECONDS", "2.5")
    (tmp_path / "r.yaml").write_text(
        "optkit: 1\nmodel: {path: m.onnx}\nto: onnx\n"
        "data:\n  calibration: {path: '${env:OPTKIT_DATA}/c.npz'}\n"
        "benchmark:\n  seconds: ${env:OPTKIT_SECONDS}\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml").recipe
    assert recipe.data.calibration is not None
    assert recipe.data.calibration.path == "sets/c.npz"
    assert recipe.benchmark.seconds == 2.5


def test_an_override_may_hold_one(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTKIT_SEED", "12")
    assert parse(example, "r.yaml", ["seed=${env:OPTKIT_SEED}"]).recipe.seed == 12
    monkeypatch.delenv("OPTKIT_SEED")
    with pytest.raises(OptkitError, match=r"--set seed=.*: the environment variable OPTKIT_SEED"):
        parse(example, "r.yaml", ["seed=${env:OPTKIT_SEED}"])
