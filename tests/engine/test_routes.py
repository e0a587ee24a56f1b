"""A conversion that does not take a model gives way to the next route; all is reported."""

import models
import pytest
import yaml

from optkit.core.errors import Exit, OptkitError

CONVERSION = 'conversion(Options, takes=("onnx",), gives="{gives}", needs=("onnx",), cost={cost})'


def refusing(plugin, name, cause, gives="ir", cost=0):
    declared = CONVERSION.format(gives=gives, cost=cost)
    plugin(name, f"raise ValueError({cause!r})", declared=declared)


def test_the_next_route_is_taken_and_both_are_reported(plugin, convert, onnx_model):
    refusing(plugin, "shy", "not this one\nfor many reasons")
    notes = []
    result = convert(onnx_model, listen=notes.append, to="ir")
    assert result.manifest["routes"] == {
        "taken": ["onnx → ir"],
        "refused": [{"route": "onnx → ir", "pass": "shy", "cause": "not this one"}],
    }
    assert [event.text for event in notes if event.kind == "note"] == ["refused: not this one"]
    assert [step["pass"] for step in result.manifest["steps"]] == ["emit_ir"]


def test_when_every_route_is_refused_each_cause_is_told(plugin, convert, onnx_model, tmp_path):
    """Nothing but these conversions leads from ONNX to TorchScript."""
    refusing(plugin, "shy", "not this one\nfor many reasons", gives="torchscript")
    refusing(plugin, "shyer", "nor this", gives="torchscript", cost=1)
    plugin("fine", "onnx.save(model, path)\nreturn Outcome(path)")
    with pytest.raises(OptkitError) as caught:
        convert(onnx_model, to="torchscript", passes=["fine"])
    error = caught.value
    assert error.exit_code is Exit.FAILED
    assert error.message == (
        "no route to torchscript takes this model "
        "(onnx → torchscript, shy: not this one; onnx → torchscript, shyer: nor this)"
    )
    assert [row["pass"] for row in error.manifest["routes"]["refused"]] == ["shy", "shyer"]
    assert error.manifest["routes"]["taken"] == []
    assert [step["pass"] for step in error.manifest["steps"]] == ["fine"]
    assert not (tmp_path / "out").exists()


def test_a_refused_beginning_is_not_tried_twice(plugin, convert, onnx_model):
    """Two routes to IR begin with the same refusing conversion."""
    tried = []
    refusing(plugin, "shy", "no", gives="exported")
    declared = CONVERSION.format(gives="ir", cost=9).replace('"onnx",', '"exported",', 1)
    plugin("onward", "raise ValueError('never reached')", declared=declared)
    plugin("last", "raise ValueError('no')", declared=CONVERSION.format(gives="ir", cost=20))
    refusing(plugin, "emit_first", "no", cost=0)
    result = convert(onnx_model, listen=tried.append, to="ir")
    begun = [event.title for event in tried if event.kind == "start"]
    assert begun.count("shy") <= 1
    assert result.manifest["steps"][-1]["pass"] == "emit_ir"


@pytest.mark.parametrize("target", ["ir", "onnx"])
def test_a_traced_network_that_returns_a_dict(target, convert, tmp_path):
    model = models.traced(models.DictNet, tmp_path / "dict.pt")
    result = convert(model, to=target)
    assert result.manifest["status"] == "ok"
    rows = result.manifest["validation"][0]["outputs"]
    assert [row["name"] for row in rows] == ["logits", "features"]
    assert all(row["cosine"] > 0.99999 for row in rows)


def test_the_written_recipe_takes_the_same_route(plugin, convert, onnx_model, tmp_path):
    refusing(plugin, "shy", "not this one")
    convert(onnx_model, to="ir")
    written = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    assert written["passes"] == ["emit_ir"]
