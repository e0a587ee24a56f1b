"""Misspelt words, usage, recipes."""

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., None]
WORDS = {
    ("--to", "irr"): ("unknown format 'irr'", "did you mean 'ir'?"),
    ("--to", ""): ("--to is empty", "give it a value: --to ir"),
    ("--to", "ir", "--precision", "int9"): (
        "--precision int9: 'precision' cannot be 'int9'",
        "did you mean 'int8'?",
    ),
    ("--to", "torchscript", "--precision", "int8"): (
        "--precision int8: no pass makes int8 models in the format torchscript",
        "int8 is made in: ir, onnx",
    ),
    ("--to", "ir", "--gate", "acuracy_drop<=0.1"): (
        "unknown gate 'acuracy_drop'",
        "did you mean 'accuracy_drop'?",
    ),
    ("--to", "ir", "--gate", "cosine > 3"): (
        "cannot read the gate 'cosine > 3'",
        "write it as 'accuracy_drop<=0.01' or 'speedup>=1.5'",
    ),
    ("--to", "ir", "--gate", "cosine>=x"): (
        "the gate 'cosine>=x' has no number after >=",
        "write it as 'accuracy_drop<=0.01' or 'speedup>=1.5'",
    ),
    ("--to", "ir", "--seed", "-1"): (
        "--seed -1: 'seed' must be at least 0, found -1",
        "seed: for anything random",
    ),
    ("--too", "ir"): ("No such option: --too (Possible options: --to)", "optkit convert --help"),
    (): ("Missing option '--to'.", "optkit convert --help"),
}


@pytest.mark.parametrize("flags", WORDS, ids=" ".join)
def test_a_wrong_flag(refused: Refused, shelf: Path, flags: tuple[str, ...]) -> None:
    cause, fix = WORDS[flags]
    refused("convert", shelf / "traced.pt", *flags, cause=cause, fix=fix)


COMMANDS = {
    ("convrt", "m.pt"): ("No such command 'convrt'. Did you mean 'convert'?", "optkit --help"),
    ("inspect",): ("Missing argument 'MODEL'.", "optkit inspect --help"),
    ("inspect", "m.pt", "--foo"): ("No such option: --foo", "optkit inspect --help"),
    ("validate", "m.pt"): ("Missing option '--reference'.", "optkit validate --help"),
    ("blame", "m.pt"): ("Missing argument 'MODEL'.", "optkit blame --help"),
    ("cache",): ("'optkit cache' needs a command: info, prune, clear", "optkit cache --help"),
    ("cache", "prune", "--to", "5x"): ("'5x' is no size", "write it as 500M or 5G"),
    ("passes", "quantize_int"): ("unknown pass 'quantize_int'", "did you mean 'quantize_int8'?"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_command(refused: Refused, command: tuple[str, ...]) -> None:
    cause, fix = COMMANDS[command]
    refused(*command, cause=cause, fix=fix)


def test_a_format_that_cannot_be_reached(refused: Refused, shelf: Path) -> None:
    refused(
        "convert", shelf / "model.onnx", "--to", "exported",
        cause="--to exported: no route leads from onnx to exported",
        fix="from onnx optkit reaches: ir, onnx",
    )  # fmt: skip


RECIPES = {
    "to: ir\npasses:\n  - fuse_batchnrm\n": (
        "recipe.yaml:5:5: unknown pass 'fuse_batchnrm'",
        "did you mean 'fuse_batchnorm'?",
    ),
    "to: irr\n": ("recipe.yaml:3:5: unknown format 'irr'", "did you mean 'ir'?"),
    "to: ir\nprecison: int8\n": (
        "recipe.yaml:4:1: unknown key 'precison' in the recipe",
        "did you mean 'precision'?",
    ),
    "to: ir\nprecision: int9\n": (
        "recipe.yaml:4:12: 'precision' cannot be 'int9'",
        "did you mean 'int8'?",
    ),
    "to: ir\npasses:\n  - quantize_int8: {preset: mixt}\n": (
        "recipe.yaml:5:29: …",
        "did you mean 'mixed'?",
    ),
    "to: ir\npasses:\n  - quantize_int8\n  - fuse_batchnorm\n": (
        "recipe.yaml:5:5: 'quantize_int8' stands before 'fuse_batchnorm', which must come first",
        "move 'fuse_batchnorm' above 'quantize_int8'",
    ),
    "to: ir\nto: onnx\n": (
        "recipe.yaml:4:1: 'to' stands here twice",
        "keep one; the first is on line 3",
    ),
    "to: [ir\n": (
        "recipe.yaml:4:1: not valid YAML: …",
        "…close it",
    ),
}


@pytest.mark.parametrize("text", RECIPES)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_wrong_recipe(refused: Refused, command: str, text: str) -> None:
    Path("recipe.yaml").write_text(f"optkit: 1\nmodel: {{path: m.pt}}\n{text}")
    cause, fix = RECIPES[text]
    refused(command, "recipe.yaml", cause=cause, fix=fix)


@pytest.mark.parametrize("text", RECIPES)
def test_lint_says_the_same(optkit: Callable[..., object], text: str) -> None:
    Path("recipe.yaml").write_text(f"optkit: 1\nmodel: {{path: m.pt}}\n{text}")
    ended = optkit("lint", "recipe.yaml")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith(RECIPES[text][0].partition("…")[0])


STARTER = "optkit init MODEL writes a recipe"


def test_a_recipe_that_is_none(refused: Refused) -> None:
    Path("empty.yaml").touch()
    Path("list.yaml").write_text("- a\n- b\n")
    Path("picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    Path("folder").mkdir()
    for name, cause, fix in (
        ("gone.yaml", "gone.yaml: no such file", f"check the path; {STARTER}"),
        ("empty.yaml", "empty.yaml:1:1: the recipe is empty", STARTER),
        (
            "list.yaml",
            "list.yaml:1:1: a recipe must be a mapping, found a list",
            "begin it with optkit: 1 and model: {path: ...}",
        ),
        ("picture.yaml", "picture.yaml:1:1: not UTF-8 text", "save the file as UTF-8"),
        ("folder", "folder is a folder", "name the recipe in it"),
    ):
        refused("run", name, cause=cause, fix=fix)
        refused("plan", name, cause=cause, fix=fix)
