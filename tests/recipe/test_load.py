import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from optkit.core.errors import OptkitError
from optkit.core.signature import DTYPES, Dim
from optkit.recipe.gates import Bound
from optkit.recipe.load import from_flags, load_recipe, parse, problems
from optkit.recipe.model import DTYPE, PassSpec

HEAD = "optkit: 1\nmodel: {path: m.onnx}\nto: onnx\n"


def mistake(text: str) -> tuple[str, str]:
    with pytest.raises(OptkitError) as caught:
        parse(text, "recipe.yaml")
    assert caught.value.exit_code == 2
    return caught.value.message, caught.value.hint


def test_the_example_of_the_contract(example: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(example)
    loaded = load_recipe(tmp_path / "recipe.yaml")
    recipe = loaded.recipe
    assert recipe.model.inputs[0].tensor().shape == (1, 3, 32, 32)
    assert recipe.model.factory == "package.module:make"
    assert recipe.data.validation is not None
    assert recipe.data.validation.labels == "label"
    assert recipe.to == ("ir",)
    assert recipe.passes == (
        PassSpec(name="fuse_batchnorm"),
        PassSpec(name="quantize_int8", options={"preset": "mixed", "subset_size": 300}),
    )
    assert recipe.benchmark.scenarios == ("single-stream", "offline")
    assert recipe.gates["speedup"] == Bound(min=1.5)
    assert recipe.seed == 0
    assert loaded.resolve(recipe.model.path) == tmp_path / "model.pt"


def test_short_forms() -> None:
    text = HEAD.replace("to: onnx", "to: [onnx, ir]") + (
        "benchmark: false\npasses: [simplify, {convert_fp16: }]\n"
        "data: {calibration: {path: images, resize: 64, mean: 0.5, std: [1, 2, 1e-3]}}\n"
    )
    recipe = parse(text, "recipe.yaml").recipe
    assert recipe.to == ("onnx", "ir")
    assert not recipe.benchmark.enabled
    assert recipe.passes == (PassSpec(name="simplify"), PassSpec(name="convert_fp16"))
    assert recipe.data.calibration is not None
    assert recipe.data.calibration.resize == (64, 64)
    assert recipe.data.calibration.mean == (0.5,)
    assert recipe.data.calibration.std == (1.0, 2.0, 0.001)


def test_dynamic_dimensions() -> None:
    text = HEAD.replace("m.onnx", "m.onnx, inputs: [{shape: ['?', 1..64, 4..4, -1, 8]}]")
    spec = parse(text, "recipe.yaml").recipe.model.inputs[0]
    assert spec.shape == ("?", "1..64", 4, "?", 8)
    assert spec.tensor().shape == (Dim(), Dim(1, 64), 4, Dim(), 8)


def test_aliases_are_written_out() -> None:
    text = HEAD + "data:\n  calibration: &set {path: a.npz}\n  validation: *set\n"
    recipe = parse(text, "recipe.yaml").recipe
    assert recipe.data.calibration == recipe.data.validation


def test_words_are_those_of_the_signature() -> None:
    assert get_args(DTYPE) == DTYPES


MISTAKES = {
    "unknown key": (
        HEAD + "precison: int8\n",
        "4:1: unknown key 'precison' in the recipe",
        "did you mean 'precision'?",
    ),
    "unknown key inside": (
        "optkit: 1\nmodel:\n  path: m.pt\n  input: []\nto: ir\n",
        "4:3: unknown key 'input' in 'model'",
        "did you mean 'inputs'?",
    ),
    "unknown key in a list": (
        HEAD.replace("m.onnx", "m.onnx, inputs: [{shap: [1]}]"),
        "2:33: unknown key 'shap' in 'model.inputs[0]'",
        "did you mean 'shape'?",
    ),
    "misspelt and so missing": (
        "optkit: 1\nmodel: {paht: m.pt}\nto: ir\n",
        "2:9: unknown key 'paht' in 'model'",
        "did you mean 'path'?",
    ),
    "missing": (
        "optkit: 1\nmodel: {}\nto: ir\n",
        "2:1: 'path' is missing in 'model'",
        "path: the model file, relative to the recipe",
    ),
    "no version": (
        "# a comment\nmodel: {path: m.pt}\nto: ir\n",
        "2:1: 'optkit' is missing in the recipe",
        "optkit: version of the recipe's form; write optkit: 1",
    ),
    "version misspelt": (
        HEAD.replace("optkit", "optkt"),
        "1:1: unknown key 'optkt' in the recipe",
        "did you mean 'optkit'?",
    ),
    "newer version": (
        "optkit: 2\nmodule: m.pt\n",
        "1:9: version 2 of the recipe's form needs a newer optkit",
        "pip install --upgrade optkit",
    ),
    "version as text": (
        HEAD.replace("1", "'1'", 1),
        "1:9: 'optkit' must be 1, found '1'",
        "optkit: version of the recipe's form; write optkit: 1",
    ),
    "wrong type": (
        HEAD + "benchmark:\n  seconds: 3s\n",
        "5:12: 'benchmark.seconds' must be a number, found '3s'",
        "seconds: how long each scenario is measured, in seconds",
    ),
    "a number as text": (
        HEAD + "benchmark: {seconds: '3'}\n",
        "4:22: 'benchmark.seconds' must be a number, found '3'",
        "seconds: how long each scenario is measured, in seconds",
    ),
    "text as a number": (
        HEAD.replace("m.onnx", "7"),
        "2:15: 'model.path' must be text, found 7",
        "put it in quotes: '7'",
    ),
    "on is text": (
        HEAD + "benchmark: {enabled: on}\n",
        "4:22: 'benchmark.enabled' must be true or false, found 'on'",
        "enabled: false leaves the timing out",
    ),
    "a word for a list": (
        HEAD + "benchmark: {devices: CPU}\n",
        "4:22: 'benchmark.devices' must be a list, found 'CPU'",
        "write it as a list: [CPU]",
    ),
    "a word for a mapping": (
        "optkit: 1\nmodel: m.pt\nto: ir\n",
        "2:8: 'model' must be a mapping, found 'm.pt'",
        "its keys are path, inputs, factory",
    ),
    "out of range": (
        HEAD + "seed: -1\n",
        "4:7: 'seed' must be at least 0, found -1",
        "seed: for anything random",
    ),
    "too few": (
        HEAD + "benchmark: {scenarios: []}\n",
        "4:24: 'benchmark.scenarios' must have at least 1 entry, found 0",
        "scenarios: how load is offered",
    ),
    "half a pair": (
        HEAD + "data: {calibration: {path: x, resize: [3]}}\n",
        "4:39: 'data.calibration.resize' has too few entries",
        "resize: images: [height, width] to resize to, or one side for both",
    ),
    "no value": (HEAD + "gates:\n", "4:1: 'gates' has no value", "give it one, or remove the line"),
    "no value where one must be": (
        "optkit: 1\nmodel:\nto: ir\n",
        "2:1: 'model' has no value",
        "give it one, or remove the line",
    ),
    "unknown format": (
        HEAD.replace("to: onnx", "to: onx"),
        "3:5: unknown format 'onx'",
        "did you mean 'onnx'?",
    ),
    "unknown format in a list": (
        HEAD.replace("to: onnx", "to: [ir, onx]"),
        "3:10: unknown format 'onx'",
        "did you mean 'onnx'?",
    ),
    "unknown precision": (
        HEAD + "precision: int9\n",
        "4:12: 'precision' cannot be 'int9'",
        "did you mean 'int8'?",
    ),
    "unknown scenario": (
        HEAD + "benchmark: {scenarios: [ofline]}\n",
        "4:25: 'benchmark.scenarios[0]' cannot be 'ofline'",
        "did you mean 'offline'?",
    ),
    "nothing to do": (
        "optkit: 1\nmodel: {path: m.pt}\n",
        "1:1: neither 'to' nor 'passes': nothing to do",
        "name the format to make, such as to: onnx",
    ),
    "a dimension": (
        HEAD.replace("m.onnx", "m.onnx, inputs: [{shape: [1, x]}]"),
        "2:44: a dimension must be a number, '?' or a range, found 'x'",
        "write 8, '?' (in quotes) or 1..64",
    ),
    "a bare question mark": (
        HEAD.replace("m.onnx", "m.onnx, inputs: [{shape: [1, ?]}]"),
        "2:45: a key must be a word",
        "a dynamic dimension is written in quotes, '?'; so is a key of digits",
    ),
    "an input twice": (
        HEAD.replace("m.onnx", "m.onnx, inputs: [{name: a}, {name: a}]"),
        "2:31: the input 'a' is declared twice",
        "keep one, or correct a name",
    ),
    "unknown gate": (
        HEAD + "gates: {speed_up: {min: 1}}\n",
        "4:9: unknown gate 'speed_up'",
        "did you mean 'speedup'?",
    ),
    "gate without bound": (
        HEAD + "gates: {speedup: {}}\n",
        "4:18: a gate needs 'max' or 'min' or 'max_increase' or 'max_decrease'",
        "write {max: 0.01}",
    ),
    "unknown key of a gate": (
        HEAD + "gates: {speedup: {mn: 1}}\n",
        "4:19: unknown key 'mn' in 'gates.speedup'",
        "did you mean 'min'?",
    ),
    "unknown pass": (
        HEAD + "passes:\n  - simplify\n  - fuse_batchnrm\n",
        "6:5: unknown pass 'fuse_batchnrm'",
        "did you mean 'fuse_batchnorm'?",
    ),
    "unknown pass with options": (
        HEAD + "passes:\n  - quantise_int8: {preset: mixed}\n",
        "5:5: unknown pass 'quantise_int8'",
        "did you mean 'quantize_int8'?",
    ),
    "unknown option": (
        HEAD + "passes:\n  - quantize_int8:\n      presett: mixed\n",
        "6:7: unknown key 'presett' in the options of quantize_int8",
        "did you mean 'preset'?",
    ),
    "an option where there are none": (
        HEAD + "passes:\n  - emit_ir: {compress: true}\n",
        "5:15: unknown key 'compress' in the options of emit_ir",
        "there are none here: remove it",
    ),
    "unknown option deeper": (
        HEAD + "passes:\n  - quantize_int8:\n      ignored_scope: {nams: [a]}\n",
        "6:23: unknown key 'nams' in 'passes[0].quantize_int8.ignored_scope'",
        "did you mean 'names'?",
    ),
    "option of a wrong type": (
        HEAD + "passes:\n  - quantize_int8: {subset_size: many}\n",
        "5:34: 'passes[0].quantize_int8.subset_size' must be a whole number, found 'many'",
        "subset_size: calibration samples to use at most",
    ),
    "option of a wrong word": (
        HEAD + "passes:\n  - quantize_int8: {preset: mixd}\n",
        "5:29: 'passes[0].quantize_int8.preset' cannot be 'mixd'",
        "did you mean 'mixed'?",
    ),
    "options beside their pass": (
        HEAD + "passes:\n  - quantize_int8:\n    preset: mixed\n",
        "5:5: one pass to an entry, found 'quantize_int8', 'preset'",
        "indent options below their pass; begin each pass with '- '",
    ),
    "options that are none": (
        HEAD + "passes:\n  - quantize_int8: mixed\n",
        "5:5: the options of quantize_int8 must be a mapping, found 'mixed'",
        "write quantize_int8: {option: value}",
    ),
    "a number for a pass": (
        HEAD + "passes: [3]\n",
        "4:10: a pass is a name or a name with options, found 3",
        "write - simplify, or - quantize_int8: {preset: mixed}",
    ),
    "twice": (
        HEAD + "seed: 1\nseed: 2\n",
        "5:1: 'seed' stands here twice",
        "keep one; the first is on line 4",
    ),
    "not a mapping": (
        "- optkit: 1\n",
        "1:1: a recipe must be a mapping, found a list",
        "begin it with optkit: 1 and model: {path: ...}",
    ),
    "empty": (
        "",
        "1:1: the recipe is empty",
        "optkit init MODEL writes a recipe",
    ),
    "comments alone": (
        "# nothing\n",
        "1:1: the recipe is empty",
        "optkit init MODEL writes a recipe",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_once_at_its_place(name: str) -> None:
    text, message, hint = MISTAKES[name]
    assert mistake(text) == (f"recipe.yaml:{message}", hint)
    assert len(problems(text)) == 1


def test_every_mistake_is_collected_in_order_of_lines() -> None:
    text = (
        "optkit: 1\nmodel: {path: 3}\nto: onx\nseed: x\nseed: 1\n"
        "passes: [smplify]\ngates: {speedup: 2}\n"
    )
    found = problems(text)
    assert [(one.line, one.column) for one in found] == [
        (2, 15), (3, 5), (4, 7), (5, 1), (6, 10), (7, 18),
    ]  # fmt: skip
    message, hint = mistake(text)
    assert message == "recipe.yaml:2:15: 'model.path' must be text, found 3"
    assert hint == "put it in quotes: '3'; and 5 more: optkit lint recipe.yaml"


def test_a_mistake_below_an_anchor_is_told_once() -> None:
    text = HEAD + "data:\n  calibration: &set {paht: a.npz}\n  validation: *set\n"
    assert mistake(text) == (
        "recipe.yaml:5:22: unknown key 'paht' in 'data.calibration'",
        "did you mean 'path'?",
    )


def test_an_error_of_a_later_floor_has_the_place(example: str) -> None:
    loaded = parse(example, "recipe.yaml")
    error = loaded.error(("passes", 1), "stands before fuse_batchnorm", "swap them")
    assert error.message == "recipe.yaml:13:5: stands before fuse_batchnorm"
    assert loaded.error(("passes", 1, "quantize_int8", "preset"), "x").message.startswith(
        "recipe.yaml:13:21: "
    )
    assert loaded.error(("to",), "x").message.startswith("recipe.yaml:9:1: ")


def test_flags_make_a_recipe_too() -> None:
    content = {"optkit": 1, "model": {"path": "m.onnx", "factory": None}, "precision": None}
    loaded = from_flags({**content, "to": ["ir"], "gates": {"cosine": {"max": None, "min": 0.9}}})
    assert (
        loaded.recipe
        == parse(
            "optkit: 1\nmodel: {path: m.onnx}\nto: ir\ngates: {cosine: {min: 0.9}}\n", "recipe.yaml"
        ).recipe
    )
    assert loaded.resolve("m.onnx") == Path("m.onnx")
    assert loaded.error(("to",), "no route").message == "the command line: no route"
    with pytest.raises(OptkitError) as caught:
        from_flags({**content, "to": ["irr"]})
    assert caught.value.exit_code == 2
    assert caught.value.message == "the command line: unknown format 'irr'"


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.yaml").write_bytes(b"optkit: 1\n# caf\xe9\n")
    for path, message in {
        "gone.yaml": "gone.yaml: no such file",
        ".": ". is a folder",
        "latin.yaml": "latin.yaml:2:6: not UTF-8 text",
    }.items():
        with pytest.raises(OptkitError) as caught:
            load_recipe(path)
        assert (caught.value.message, caught.value.exit_code) == (message, 2)
        assert caught.value.hint


def test_loading_is_light(example: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(example)
    code = f"""
import sys
from optkit.recipe.load import load_recipe
load_recipe({str(tmp_path / "recipe.yaml")!r})
heavy = "torch onnx onnx_ir onnxruntime onnxsim openvino nncf numpy rich PIL jinja2".split()
assert not [name for name in heavy if name in sys.modules]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_format_stands_once() -> None:
    with pytest.raises(OptkitError, match="'onnx' stands there twice"):
        parse("optkit: 1\nmodel: {path: m.pt}\nto: [onnx, ir, onnx]\n", "recipe.yaml")
