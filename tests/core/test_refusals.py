"""Refusals say what there is instead, and what would mend it."""

from pathlib import Path

import pytest
import torch

from optkit.core import refusals
from optkit.core.artifact import Artifact
from optkit.core.errors import Exit, OptkitError, bad_input
from optkit.core.settings import Settings
from optkit.core.signature import Dim, Signature

MODEL = Artifact("onnx", Path("m.onnx"), (), Signature(), "", 0)


def refused(check, *args):
    with pytest.raises(OptkitError) as caught:
        check(*args)
    assert caught.value.exit_code == Exit.BAD_INPUT
    return f"{caught.value.message} / {caught.value.hint}"


def test_a_word_that_is_not_there():
    refusals.check_word("Any", "hint", None, ("latency",))
    refusals.check_word("Any", "hint", "latency", ("latency",))
    told = refused(refusals.check_word, "Any", "hint", "best", ("latency", "none"))
    assert told == "Any has no hint 'best' here / one of latency, none"


@pytest.mark.parametrize("field", ["streams", "threads", "nireq", "batch"])
def test_counts_below_one(field):
    refusals.check_counts(Settings(**{field: 1}))
    assert f"{field} is 0" in refused(refusals.check_counts, Settings(**{field: 0}))


def test_a_setting_that_a_runtime_lacks():
    refusals.check_foreign("Any", Settings(threads=3), "mode")
    assert "mode" in refused(refusals.check_foreign, "Any", Settings(mode="eager"), "mode")


def test_batches():
    refusals.check_batch(MODEL, {"x": (1, 3)}, 1)
    refusals.check_batch(MODEL, {"x": (Dim(), 3), "y": (Dim(2, 8),), "z": (), "w": None}, 4)
    told = refused(refusals.check_batch, MODEL, {"x": (1, 3)}, 4)
    assert "'x' holds 1" in told
    assert "--input x=1..4,3" in told
    told = refused(refusals.check_batch, MODEL, {"y": (Dim(2, 8), 5)}, 8)
    assert "--input y=2..16,5" in told


def test_a_model_that_does_not_fit():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 58, dtype=torch.uint8)
    error = refusals.does_not_load("PyTorch", MODEL, Settings(), caught.value)
    assert "does not fit into the memory of CPU" in error.message
    assert "does not fit" in refusals.does_not_load("Any", MODEL, Settings(), MemoryError()).message
    told = refusals.does_not_load("Any", MODEL, Settings(), bad_input("cannot read it", "try"))
    assert (told.message, told.hint, told.exit_code) == ("cannot read it", "try", Exit.BAD_INPUT)
    other = refusals.does_not_load("Any", MODEL, Settings(), RuntimeError("no operator Foo"))
    assert other.message == "Any cannot load m.onnx on CPU: no operator Foo"
