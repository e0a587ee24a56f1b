"""A lock is kept to or the run is refused, and what drifted is named."""

import json
import shutil

import numpy as np
import pytest
import torch
from running import DIGITS, content

from optkit.core.errors import Exit, OptkitError
from optkit.core.hashing import digest
from optkit.engine.lock import document as locking
from optkit.engine.lock.document import find_lock, read_lock
from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import load_recipe

RECIPE = """\
optkit: 1
model: {path: digits.pt}
data: {calibration: {path: calibration.npz}, validation: {path: validation.npz}}
to: ir
passes:
  - fuse_batchnorm
  - quantize_int8: {effort: fast, subset_size: 100}
benchmark: false
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A run of digits to INT8, with its lock beside the recipe."""
    place = tmp_path_factory.mktemp("locked")
    for name in ("digits.pt", "calibration.npz", "validation.npz"):
        shutil.copy(DIGITS / name, place / name)
    (place / "recipe.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))
        run(load_recipe(place / "recipe.yaml"), place / "out")
    shutil.copy(place / "out" / "optkit.lock", place)
    return place


@pytest.fixture
def place(origin, tmp_path, monkeypatch):
    """A copy of all of it, to be changed."""
    copy = tmp_path / "copy"
    shutil.copytree(origin, copy)
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(copy / "store"))
    return copy


def again(place, *overrides, **wishes):
    loaded = load_recipe(place / "recipe.yaml", overrides)
    return run(loaded, place / "again", Wishes(lock=place / "optkit.lock", **wishes))


def test_the_lock_tells_what_went_in(origin):
    lock = read_lock(origin / "optkit.lock").content
    (target,) = lock["targets"].values()
    fused, emitted, quantized = target["steps"]
    assert [step["pass"] for step in target["steps"]] == [
        "fuse_batchnorm", "emit_ir", "quantize_int8",
    ]  # fmt: skip
    assert quantized["options"]["subset_size"] == 100
    assert quantized["samples"] == "0-99"
    assert "samples" not in fused
    assert "samples" not in emitted
    assert set(target["files"]) == {"model.xml", "model.bin"}
    assert lock["versions"].keys() >= {"optkit", "python", "torch", "openvino", "numpy"}


def test_the_same_lock_gives_the_same_bytes_without_a_store(place):
    result = again(place, cache=False)
    assert not any(step["cached"] for step in result.manifest["steps"])
    assert content(result.folder) == content(place / "out")
    assert (result.folder / "optkit.lock").read_bytes() == (place / "optkit.lock").read_bytes()


def drifted(place, *overrides):
    with pytest.raises(OptkitError) as caught:
        again(place, *overrides)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert not (place / "again").exists()
    assert "\n" not in caught.value.message
    assert "lock it anew" in caught.value.hint
    return caught.value


def test_other_weights(place):
    """The same network, one weight of it moved."""
    network = torch.jit.load(str(place / "digits.pt"))
    with torch.no_grad():
        next(iter(network.parameters())).view(-1)[0] += 1
    network.save(str(place / "digits.pt"))
    known = read_lock(place / "optkit.lock").content["model"][:12]
    # what was traced is not told again once a network was saved anew
    error = drifted(place, "model.inputs=[{name: image, shape: [1, 1, 8, 8], dtype: float32}]")
    assert f"model: {known} → " in error.message
    assert "restore" in error.hint


def test_other_data(place):
    with np.load(place / "calibration.npz") as file:
        arrays = dict(file)
    name = next(name for name, array in arrays.items() if array.ndim > 1)
    arrays[name] = arrays[name] + 0.5
    np.savez(place / "calibration.npz", **arrays)
    error = drifted(place)
    assert "data.calibration: " in error.message
    assert "calibration.npz" in error.hint


@pytest.mark.parametrize(
    ("override", "told", "fix"),
    [
        ("seed=3", "seed: 0 → 3", "write seed: 0 in the recipe"),
        ("passes.1.quantize_int8.subset_size=50",
         "targets.ir.steps[2] quantize_int8.subset_size: 100 → 50",
         "write quantize_int8: {subset_size: 100} in the recipe"),
        ("passes=[{quantize_int8: {effort: fast, subset_size: 100}}]",
         "targets.ir.steps: fuse_batchnorm, emit_ir, quantize_int8 → emit_ir, quantize_int8",
         "restore the passes, or the precision, in the recipe"),
        ("to=[onnx]", "targets: ir → onnx", "write to: [ir] in the recipe"),
    ],
)  # fmt: skip
def test_another_recipe(place, override, told, fix):
    error = drifted(place, override)
    assert told in error.message
    assert fix in error.hint


def test_everything_that_drifted_is_named_at_once(place):
    error = drifted(place, "seed=3", "passes.1.quantize_int8.subset_size=50")
    assert "seed: 0 → 3; targets.ir.steps[2] quantize_int8.subset_size: 100 → 50" in error.message


def sealed(place, change):
    """The lock as another machine, or another version, would have written it."""
    path = place / "optkit.lock"
    text = json.loads(path.read_text())
    change(text)
    del text["checksum"]
    path.write_text(json.dumps({**text, "checksum": digest(text)}))


@pytest.mark.parametrize(
    ("change", "told", "fix"),
    [
        (lambda it: it["versions"].update(openvino="2020.1"), "versions.openvino: 2020.1 → ",
         "pip install openvino==2020.1"),
        (lambda it: it["versions"].update(python="2.7.18"), "versions.python: 2.7.18 → ",
         "use Python 2.7.18"),
        (lambda it: it["machine"].update(isa=["mmx"]), "machine.isa: mmx → ",
         "run it on such a machine"),
    ],
)  # fmt: skip
def test_another_environment(place, change, told, fix):
    sealed(place, change)
    error = drifted(place)
    assert told in error.message
    assert fix in error.hint


def test_other_bytes_from_equal_inputs(place):
    """A step that does not repeat itself, as the lock sees it."""
    sealed(place, lambda it: it["targets"]["ir"]["steps"][2].update(sha256="0" * 64))
    error = drifted(place)
    assert "targets.ir.steps[2] quantize_int8: 000000000000 → " in error.message


def test_what_a_clock_decided_is_not_measured_again(plugin, convert, onnx_model, tmp_path):
    """A pass that measures: the answer in the lock decides, on whatever store."""
    plugin(
        "timed",
        "import random\n"
        "asked = {'machine': random.random(), 'wish': 1}\n"
        "value = context.remember(__name__, asked, random.random)\n"
        "model.doc_string = str(value)\nonnx.save(model, path)\nreturn Outcome(path)",
        more=", measures=lambda options: True",
    )
    wishes = {"cache": False}
    first = convert(onnx_model, Wishes(**wishes), passes=["timed"], output=tmp_path / "first")
    lock = first.folder / "optkit.lock"
    (target,) = read_lock(lock).content["targets"].values()
    assert len(target["steps"][0]["decisions"]) == 1
    other = convert(onnx_model, Wishes(**wishes), passes=["timed"], output=tmp_path / "other")
    assert content(other.folder) != content(first.folder)
    same = convert(
        onnx_model, Wishes(lock=lock, **wishes), passes=["timed"], output=tmp_path / "same"
    )
    assert content(same.folder) == content(first.folder)
    assert (same.folder / "optkit.lock").read_bytes() == lock.read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no JSON"),
        ("[]", "names no schema"),
        ('{"schema": "optkit/lock/1"}', "has the schema 'optkit/lock/1', this optkit reads"),
        (json.dumps({"schema": locking.SCHEMA, "seed": 1}), "was edited"),
        (json.dumps({"schema": locking.SCHEMA, "checksum": digest({"schema": locking.SCHEMA})}),
         "holds no model"),
    ],
)  # fmt: skip
def test_a_lock_that_cannot_be_trusted(tmp_path, text, told):
    path = tmp_path / "optkit.lock"
    path.write_text(text)
    with pytest.raises(OptkitError) as caught:
        read_lock(path)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert told in caught.value.message
    assert "optkit run RECIPE" in caught.value.hint


def test_an_edited_lock(place):
    path = place / "optkit.lock"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(OptkitError, match="was edited"):
        again(place)


def test_the_lock_beside_the_recipe_is_found_first(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(OptkitError, match="there is no lock"):
        find_lock(tmp_path / "recipe.yaml", output)
    (output / "optkit.lock").touch()
    assert find_lock(tmp_path / "recipe.yaml", output) == output / "optkit.lock"
    (tmp_path / "optkit.lock").touch()
    assert find_lock(tmp_path / "recipe.yaml", output) == tmp_path / "optkit.lock"
