"""optkit init: a recipe that lints, says what can be said, and runs as it stands."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest

from optkit.recipe.load import load_recipe, problems

Optkit = Callable[..., Any]


@pytest.mark.parametrize("name", ["traced.pt", "scripted.pt", "exported.pt2", "model.onnx"])
def test_it_lints_whatever_the_format(optkit: Optkit, shelf: Path, place: Path, name: str) -> None:
    shutil.copy(shelf / name, name)
    ended = optkit("init", name)
    assert ended.code == 0, ended.err
    assert ended.out == f"recipe.yaml written: {name} to ir, int8\nnext: optkit run recipe.yaml\n"
    text = Path("recipe.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=file:///")
    assert optkit("lint", "recipe.yaml").out == "1 recipe checked: no mistakes\n"
    loaded = load_recipe("recipe.yaml")
    assert (loaded.recipe.to, loaded.recipe.precision) == (("ir",), "int8")
    assert {path.name for path in place.iterdir()} == {name, "recipe.yaml"}


def test_it_runs_as_it_stands(optkit: Optkit, shelf: Path, place: Path) -> None:
    shutil.copy(shelf / "traced.pt", "net.pt")
    (place / "sub").mkdir()
    assert optkit("init", "net.pt", "-o", "own.yaml").code == 0
    ended = optkit("run", "own.yaml", "-o", "out", "--json", "--set", "benchmark=false")
    assert ended.code == 0, ended.err
    manifest = json.loads(ended.out)
    assert manifest["data"]["synthesised"] == ["calibration", "validation"]
    assert "int8" in manifest["artifacts"][0]["precision"]["achieved"]
    assert {row["name"] for row in manifest["gates"]} >= {"cosine", "precision"}


def test_what_is_commented_out_is_a_recipe_too(optkit: Optkit, shelf: Path, place: Path) -> None:
    """Every line that is offered can be had by taking its '# ' away."""
    shutil.copy(shelf / "traced.pt", "traced.pt")
    assert optkit("init", "traced.pt").code == 0
    text = Path("recipe.yaml").read_text()
    offered = re.compile(r"^(  )?# (?=( *)(- \{|[a-z_]+: ?(\{|$)))", re.MULTILINE)
    opened = offered.sub(r"\1", re.sub(r"^#   # .*\n", "", text, flags=re.MULTILINE))
    assert problems(opened) == [], opened
    recipe = load_recipe_text(opened)
    assert recipe.data.validation.labels == "label"
    assert recipe.model.inputs[0].name == "image"
    assert set(recipe.gates) == {"cosine", "size_ratio", "accuracy_drop", "speedup"}


def load_recipe_text(text: str) -> Any:
    Path("opened.yaml").write_text(text)
    return load_recipe("opened.yaml").recipe


def test_inputs_that_the_file_does_not_tell_are_written_out(optkit: Optkit, place: Path) -> None:
    models.traced(models.TokenNet, place / "tokens.pt")
    ended = optkit("init", "tokens.pt", "--input", "input_ids=1,?:int64",
                   "--input", "attention_mask=1,?:int64")  # fmt: skip
    assert ended.code == 0, ended.err
    specs = load_recipe("recipe.yaml").recipe.model.inputs
    assert [(spec.name, spec.shape, spec.dtype) for spec in specs] == [
        ("input_ids", (1, "?"), "int64"), ("attention_mask", (1, "?"), "int64"),
    ]  # fmt: skip
    assert "your tokenizer" in Path("recipe.yaml").read_text()


def test_weights_with_their_factory(optkit: Optkit, shelf: Path, on_path: Path) -> None:
    shutil.copy(shelf / "weights.pt", "weights.pt")
    (on_path / "mine_net.py").write_text(
        f"import sys\nsys.path.insert(0, {str(Path(models.__file__).parent)!r})\n"
        "from models import ConvNet as make\n"
    )
    flags = ("--factory", "mine_net:make", "--input", "image=1,3,8,8")
    assert optkit("init", "weights.pt", *flags).code == 2
    assert not Path("recipe.yaml").exists()
    ended = optkit("init", "weights.pt", *flags, "--trust-code")
    assert ended.code == 0, ended.err
    assert ended.out.endswith("next: optkit run recipe.yaml --trust-code\n")
    assert load_recipe("recipe.yaml").recipe.model.factory == "mine_net:make"


def test_what_is_lowered_already_is_left_as_it_is(optkit: Optkit, shelf: Path) -> None:
    done = optkit("convert", shelf / "traced.pt", "--to", "ir", "--precision", "w8a16",
                  "--no-benchmark", "-q", "-o", "made")  # fmt: skip
    assert done.code == 0, done.err
    assert optkit("init", "made/model.xml").code == 0
    assert load_recipe("recipe.yaml").recipe.precision is None
    assert "it is in w8a16 already" in Path("recipe.yaml").read_text()


def test_nothing_is_overwritten(
    optkit: Optkit, refused: Callable[..., None], shelf: Path, place: Path
) -> None:
    shutil.copy(shelf / "traced.pt", "traced.pt")
    (place / "recipe.yaml").write_text("mine")
    (place / "sub").mkdir()
    refused("init", "traced.pt", cause="recipe.yaml is there already",
            fix="name another file with -o, or replace it with --force")  # fmt: skip
    refused("init", "traced.pt", "-o", "traced.pt", "--force",
            cause="the recipe would overwrite traced.pt",
            fix="name another file with -o")  # fmt: skip
    refused("init", "traced.pt", "-o", "sub", cause="sub is a folder",
            fix="name a file: -o sub/recipe.yaml")  # fmt: skip
    refused("init", "traced.pt", "-o", "gone/r.yaml",
            cause="cannot write gone/r.yaml: no such folder", fix="name another file")  # fmt: skip
    refused("init", "traced.pt", "-o", "sub/r.yaml",
            cause=f"traced.pt lies outside the recipe's folder, {place / 'sub'}",
            fix="write the recipe beside it: -o r.yaml")  # fmt: skip
    refused("init", "gone.pt", "-o", "new.yaml", cause="…", fix="…")
    assert optkit("init", "traced.pt", "--force", "-q").code == 0
    assert load_recipe("recipe.yaml").recipe.to == ("ir",)


def test_for_machines(optkit: Optkit, shelf: Path) -> None:
    shutil.copy(shelf / "traced.pt", "traced.pt")
    told = json.loads(optkit("init", "traced.pt", "--json").out)
    assert told == {"recipe": "recipe.yaml", "to": "ir", "precision": "int8"}
