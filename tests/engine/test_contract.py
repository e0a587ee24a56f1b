"""What a pass may not do is found by the engine, named, and nothing is kept of it."""

import shutil

import pytest
from running import left_in_staging

from optkit.core.errors import Exit, OptkitError
from optkit.core.store import Store
from optkit.engine.workplace import Wishes

SAVE = "onnx.save(model, path)\nreturn Outcome(path)"
BREACHES = {
    "writes_nothing": ("return Outcome(path)", "the pass wrote no onnx model"),
    "writes_elsewhere": (
        "path = context.scratch / 'model.onnx'\n" + SAVE,
        "the pass wrote its result to",
    ),
    "hands_on_its_input": ("return Outcome(artifact.path)", "the pass wrote its result to"),
    "writes_another_format": (
        'path.write_text(\'<net name="x" version="11"></net>\')\nreturn Outcome(path)',
        "the pass wrote no onnx model",
    ),
    "writes_half_a_model": (
        "path.write_bytes(model.SerializeToString()[:-200])\nreturn Outcome(path)",
        "the pass wrote",
    ),
    "renames_an_output": (
        "model.graph.node[-1].output[0] = model.graph.output[0].name = 'other'\n" + SAVE,
        "the pass changed the outputs from (output) to (other)",
    ),
    "renames_an_input": (
        "model.graph.input[0].name = 'other'\n" + SAVE,
        "the pass changed the inputs from (image) to (other)",
    ),
    "adds_an_output": (
        "model.graph.output.append(onnx.helper.make_tensor_value_info("
        "model.graph.node[0].output[0], 1, None))\n" + SAVE,
        "the pass changed the outputs from (output) to (output, ",
    ),
    "changes_the_rank": (
        "model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1\n" + SAVE,
        "the pass changed the rank of output 'output'",
    ),
    "raises_value_error": ("raise ValueError('no good')", "no good"),
    "raises_optkit_error": ("raise OptkitError('no good', 'do better')", "no good"),
    "reads_samples": ("context.samples()", "the pass reads samples without declaring `uses_data`"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_named_and_nothing_kept(name, plugin, convert, onnx_model, store, tmp_path):
    body, cause = BREACHES[name]
    plugin("fine", "model.producer_name = 'fine'\n" + SAVE)
    plugin(name, body)
    with pytest.raises(OptkitError) as caught:
        convert(onnx_model, passes=["fine", name])
    error = caught.value
    assert error.exit_code is Exit.FAILED
    assert f"step '{name}' failed: {cause}" in error.message
    assert error.message.endswith(f"(done and kept in {store}: fine)")
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert not (tmp_path / "out").exists()
    assert left_in_staging(store) == []
    assert len([row for row in Store(store).entries() if row[0].is_dir()]) == 1
    manifest = error.manifest
    assert manifest["status"] == "failed"
    assert [(step["pass"], step["cached"]) for step in manifest["steps"]] == [("fine", False)]
    told = {"message": error.message, "hint": error.hint, "exit": 1, "step": name}
    assert manifest["error"] == told
    with pytest.raises(OptkitError) as caught:
        convert(onnx_model, passes=["fine", name])
    assert [step["cached"] for step in caught.value.manifest["steps"]] == [True]


def test_bad_input_stays_bad_input(plugin, convert, onnx_model):
    plugin("picky", "raise bad_input('picky: no layer called x', 'mend the recipe')")
    with pytest.raises(OptkitError, match=r"^step 'picky' failed: no layer called x$") as caught:
        convert(onnx_model, passes=["picky"])
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert caught.value.manifest is None


CHANGES = {
    "appends": "artifact.path.write_bytes(artifact.path.read_bytes() + b'x')",
    "same_size": "artifact.path.write_bytes(artifact.path.read_bytes()[:-1] + b'x')",
    "replaces": "path.write_bytes(artifact.path.read_bytes() + b'x'); path.replace(artifact.path)",
    "deletes": "artifact.path.unlink()",
    "changes_and_raises": "artifact.path.write_bytes(b'x')\nraise ValueError('no good')",
}


@pytest.mark.parametrize("kind", ["transform", "conversion"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_input_ends_the_run(change, kind, plugin, convert, onnx_model):
    """A conversion that does so is not merely refused, and the damage is not answered later."""
    declared = (
        'conversion(Options, takes=("onnx",), gives="ir", needs=("onnx",), cost=0)'
        if kind == "conversion"
        else None
    )
    plugin("fine", "model.producer_name = 'fine'\n" + SAVE)
    plugin("vandal", CHANGES[change] + "\n" + SAVE, declared=declared)
    passes = {"passes": ["fine"], "to": "ir"} if declared else {"passes": ["fine", "vandal"]}
    with pytest.raises(OptkitError, match="step 'vandal' failed: the pass changed its input"):
        convert(onnx_model, **passes)
    result = convert(onnx_model, passes=["fine"])
    assert [step["cached"] for step in result.manifest["steps"]] == [False]


def test_the_users_own_model_is_watched_too(plugin, convert, onnx_model, tmp_path):
    mine = shutil.copy(onnx_model, tmp_path / "mine.onnx")
    plugin("vandal", CHANGES["appends"] + "\n" + SAVE)
    with pytest.raises(OptkitError, match="changed its input") as caught:
        convert(mine, passes=["vandal"])
    assert "check the model" in caught.value.hint


def test_a_conversion_that_gives_nothing_is_refused(plugin, convert, onnx_model):
    declared = 'conversion(Options, takes=("onnx",), gives="ir", needs=(), cost=0)'
    plugin("lazy", "return unchanged('why should I')", declared=declared)
    manifest = convert(onnx_model, to="ir").manifest
    assert [step["pass"] for step in manifest["steps"]] == ["emit_ir"]
    (refused,) = manifest["routes"]["refused"]
    assert (refused["pass"], refused["cause"]) == ("lazy", "the pass gave no ir model")


def test_a_declared_change_of_signature_is_taken(plugin, convert, onnx_model):
    plugin(
        "grows",
        "from dataclasses import replace\n"
        "from optkit.core.signature import TensorSpec\n"
        "model.graph.node.append(onnx.helper.make_node('Identity', ['output'], ['twin']))\n"
        "model.graph.output.append(onnx.helper.make_tensor_value_info('twin', 1, [2, 5]))\n"
        "onnx.save(model, path)\n"
        "twin = TensorSpec('twin', (2, 5), 'float32')\n"
        "grown = replace(artifact.signature, outputs=(*artifact.signature.outputs, twin))\n"
        "return Outcome(path, signature=grown)",
        more=", changes_signature=True",
    )
    manifest = convert(onnx_model, passes=["grows"]).manifest
    assert manifest["status"] == "ok"


def test_no_change_says_why_and_hands_the_input_on(plugin, convert, onnx_model):
    plugin("idle", "return unchanged('nothing to do', looked_at=3)")
    for was_cached in (False, True):
        result = convert(onnx_model, passes=["idle"])
        (step,) = result.manifest["steps"]
        assert (step["changed"], step["reason"], step["cached"]) == (
            False, "nothing to do", was_cached,
        )  # fmt: skip
        assert step["details"] == {"looked_at": 3}
        assert step["artifact"]["sha256"] == result.manifest["model"]["sha256"]


def test_without_a_cache_nothing_is_kept(plugin, convert, onnx_model, store):
    plugin("fine", "model.producer_name = 'fine'\n" + SAVE)
    for _ in range(2):
        result = convert(onnx_model, Wishes(cache=False), passes=["fine"])
        assert [step["cached"] for step in result.manifest["steps"]] == [False]
    assert not store.exists()
    plugin("bad", "raise ValueError('no good')")
    with pytest.raises(OptkitError, match=r"failed: no good \(done: fine\)$"):
        convert(onnx_model, Wishes(cache=False), passes=["fine", "bad"])


def test_a_store_that_cannot_be_written_is_bad_input(convert, onnx_model, store):
    store.write_text("in the way")
    with pytest.raises(OptkitError, match="cannot write to the store") as caught:
        convert(onnx_model, passes=["simplify"])
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "OPTKIT_CACHE_DIR" in caught.value.hint
    assert convert(onnx_model, Wishes(cache=False), passes=["simplify"]).exit_code is Exit.OK


def test_a_listener_that_breaks_changes_nothing(convert, onnx_model):
    def broken(event):
        raise BrokenPipeError

    told = []
    quiet = convert(onnx_model, listen=told.append, to="ir")
    assert {event.title for event in told} >= {"emit_ir", "validate"}
    again = convert(onnx_model, Wishes(cache=False), broken, to="ir")
    assert again.manifest["artifacts"] == quiet.manifest["artifacts"]
    assert again.manifest["routes"]["refused"] == []


def test_an_interrupt_inside_a_step_leaves_nothing(plugin, convert, onnx_model, store, tmp_path):
    plugin("fine", "model.producer_name = 'fine'\n" + SAVE)
    plugin("stopped", "onnx.save(model, path)\nraise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        convert(onnx_model, passes=["fine", "stopped"])
    assert left_in_staging(store) == []
    assert not (tmp_path / "out").exists()
    result = convert(onnx_model, passes=["fine"])
    assert [step["cached"] for step in result.manifest["steps"]] == [True]


def test_a_store_smaller_than_the_run_still_serves_it(convert, onnx_model, store, monkeypatch):
    """Two steps of one run lie in it at once; afterwards it holds no more than its bound."""
    monkeypatch.setenv("OPTKIT_CACHE_SIZE", "2k")
    result = convert(onnx_model, passes=["simplify", "emit_ir", "convert_fp16"])
    assert result.exit_code is Exit.OK
    assert sum(row["artifact"]["bytes"] for row in result.manifest["steps"]) > 2000
    assert sum(size for _, size, _ in Store(store).entries()) <= 2000
