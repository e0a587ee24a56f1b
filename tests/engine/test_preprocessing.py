"""A result that takes raw images is proven against a source that takes prepared ones."""

import numpy as np
import onnxruntime
import pytest
from running import DIGITS, cached

DATA = {
    "calibration": {"path": str(DIGITS / "calibration.npz")},
    "validation": {
        "path": str(DIGITS / "validation.npz"), "labels": "label", "metric": "accuracy",
    },
}  # fmt: skip
FOLD = {"fold_preprocess": {"scale": 1 / 16, "dtype": "uint8", "layout": "NHWC"}}
QUICK = {"devices": ["CPU"], "scenarios": ["single-stream"], "seconds": 0.2}


def test_to_onnx_that_takes_bytes(convert):
    result = convert(DIGITS / "digits.pt", to="onnx", passes=["export_onnx", FOLD], data=DATA)
    row = result.manifest["validation"][0]
    assert row["metric"]["drop"] == 0
    assert row["metric"]["value"] > 0.9
    assert row["outputs"][0]["cosine"] > 0.999999
    (artifact,) = result.manifest["artifacts"]
    assert artifact["inputs"][0]["dtype"] == "uint8"
    assert artifact["inputs"][0]["shape"][1:] == [8, 8, 1]

    session = onnxruntime.InferenceSession(result.folder / "model.onnx")
    with np.load(DIGITS / "validation.npz") as file:
        images, labels = file["image"], file["label"]
    raw = np.moveaxis(np.rint(images * 16), 1, -1).astype("uint8")
    found = [session.run(None, {"image": raw[at : at + 1]})[0].argmax() for at in range(len(raw))]
    assert np.mean(found == labels) == pytest.approx(row["metric"]["value"])


def test_onward_to_int8_with_calibration_and_benchmark(convert):
    """The steps after it, the validation and the benchmark all see images."""
    passes = [FOLD, "emit_ir", "quantize_int8"]
    first = convert(DIGITS / "digits.pt", to="ir", passes=passes, data=DATA, benchmark=QUICK)
    assert first.manifest["status"] == "ok"
    assert first.manifest["validation"][0]["metric"]["drop"] <= 0.01
    assert first.manifest["artifacts"][0]["precision"]["achieved"].keys() == {"int8"}
    timed = {row["artifact"] for row in first.manifest["benchmark"]}
    assert timed - {"fp32 in bf16"} == {"source", "fp32", "model.xml"}
    again = convert(DIGITS / "digits.pt", to="ir", passes=passes, data=DATA, benchmark=QUICK)
    assert cached(again) == [True] * len(again.manifest["steps"])


def test_a_wrong_preprocessing_shows(convert):
    """No image is prepared to the samples given: the proof says so, instead of passing."""
    wrong = {"fold_preprocess": {"scale": 1.0, "dtype": "uint8"}}
    result = convert(DIGITS / "digits.pt", to="onnx", passes=["export_onnx", wrong], data=DATA)
    assert result.manifest["status"] == "gated"
    assert result.manifest["validation"][0]["metric"]["drop"] > 0.01


def test_made_up_samples_become_images_for_both(convert):
    """Values that no image can have are no fault of the model's."""
    result = convert(DIGITS / "digits.pt", to="onnx", passes=["export_onnx", FOLD])
    assert result.manifest["status"] == "ok"
    assert result.manifest["validation"][0]["outputs"][0]["cosine"] > 0.999999
