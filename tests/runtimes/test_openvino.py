"""OpenVINO runs IR at the precision asked for, and hands out arrays that numpy reads right."""

import models
import nncf
import numpy as np
import openvino
import pytest
import torch
from models import ConvNet, DictNet, TokenNet, TwoInputs

from optkit.core.errors import Exit, OptkitError
from optkit.core.settings import Settings
from optkit.runtimes import openvino as runtime


def feed(kind):
    return {
        name: tensor.numpy()
        for name, tensor in zip(models.names(kind), models.example(kind), strict=True)
    }


def truth(kind):
    with torch.inference_mode():
        return models.build(kind)(*models.example(kind))


def session(path, **settings):
    return runtime.open_session(models.artifact("ir", path), Settings(threads=1, **settings))


@pytest.mark.parametrize("kind", [ConvNet, DictNet, TokenNet, TwoInputs])
def test_outputs_in_the_signatures_order(tmp_path, kind):
    path = models.ir_file(kind, tmp_path / "m.xml")
    out = session(path).infer(feed(kind))
    found = truth(kind)
    expected = list(found.values()) if isinstance(found, dict) else found
    expected = expected if isinstance(expected, list | tuple) else [expected]
    assert list(out) == [spec.name for spec in models.artifact("ir", path).signature.outputs]
    for array, tensor in zip(out.values(), expected, strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-5, atol=1e-6)


def test_results_stay_after_the_next_inference(tmp_path):
    opened = session(models.ir_file(ConvNet, tmp_path / "m.xml"))
    first = opened.infer(feed(ConvNet))
    kept = {name: array.copy() for name, array in first.items()}
    opened.infer({"image": np.zeros((3, 3, 8, 8), np.float32)})
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])


def test_bfloat16_ends_are_float32(tmp_path):
    network = models.build(ConvNet).bfloat16()
    image = models.example(ConvNet)[0]
    model = openvino.convert_model(network, example_input=image.bfloat16())
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    (out,) = session(tmp_path / "m.xml").infer({"image": image.numpy()}).values()
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, truth(ConvNet).numpy(), atol=0.03)


@pytest.mark.parametrize(("precision", "word"), [("f32", "fp32"), ("bf16", "bf16")])
def test_precision_is_what_was_asked_for(tmp_path, precision, word):
    if precision == "bf16" and "BF16" not in openvino.Core().get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        pytest.skip("this CPU has no bf16")
    opened = session(models.ir_file(ConvNet, tmp_path / "m.xml"), infer_precision=precision)
    assert opened.executed() == {word: 2}
    assert opened.settings["infer_precision"] == precision
    assert opened.settings["threads"] == 1


def test_executed_int8(tmp_path):
    model = openvino.Core().read_model(models.ir_file(ConvNet, tmp_path / "m.xml"))
    data = nncf.Dataset([models.example(ConvNet)[0].numpy()] * 2)
    openvino.save_model(nncf.quantize(model, data), tmp_path / "q.xml")
    assert session(tmp_path / "q.xml").executed() == {"int8": 2}


def test_compressed_weights_compute_in_float(tmp_path):
    model = openvino.Core().read_model(models.ir_file(ConvNet, tmp_path / "m.xml"))
    small = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    openvino.save_model(small, tmp_path / "w.xml")
    assert session(tmp_path / "w.xml").executed() == {"fp32": 2}


def test_offline_runs_every_input(tmp_path):
    artifact = models.artifact("ir", models.ir_file(ConvNet, tmp_path / "m.xml"))
    opened, infer_all = runtime.open_offline(artifact, Settings())
    infer_all([feed(ConvNet)] * 10)
    assert opened.settings["streams"] >= 1
    np.testing.assert_allclose(
        next(iter(opened.infer(feed(ConvNet)).values())), truth(ConvNet).numpy(), atol=1e-5
    )


def test_no_such_device_names_those_there_are(tmp_path):
    with pytest.raises(OptkitError) as caught:
        session(models.ir_file(ConvNet, tmp_path / "m.xml"), device="NPU")
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "CPU" in caught.value.hint
