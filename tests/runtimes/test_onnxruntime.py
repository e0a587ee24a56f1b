"""ONNX Runtime runs ONNX; what it executed is read from the graph that it optimized."""

import models
import numpy as np
import onnx
import pytest
import torch
from models import ConvNet, TokenNet, TwoInputs
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

from optkit.core.errors import Exit, OptkitError
from optkit.core.settings import Settings
from optkit.runtimes import onnxruntime as runtime


def feed(kind):
    return {
        name: tensor.numpy()
        for name, tensor in zip(models.names(kind), models.example(kind), strict=True)
    }


def truth(kind):
    with torch.inference_mode():
        return models.build(kind)(*models.example(kind))


def session(path):
    return runtime.open_session(models.artifact("onnx", path), Settings(threads=1))


def test_two_inputs_two_outputs(tmp_path):
    out = session(models.onnx_file(TwoInputs, tmp_path / "m.onnx")).infer(feed(TwoInputs))
    assert list(out) == ["output_0", "output_1"]
    for array, tensor in zip(out.values(), truth(TwoInputs), strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-5, atol=1e-6)


def test_integer_inputs_and_dynamic_batch(tmp_path):
    opened = session(models.onnx_file(TokenNet, tmp_path / "m.onnx", dynamic_batch=True))
    twice = {name: np.concatenate([array] * 2) for name, array in feed(TokenNet).items()}
    expected = np.concatenate([truth(TokenNet).numpy()] * 2)
    np.testing.assert_allclose(opened.infer(twice)["output"], expected, atol=1e-6)


def test_half_outputs_come_out_as_float32(tmp_path):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    onnx.save(convert_float_to_float16(onnx.load(path)), path)
    arrays = {name: array.astype(np.float16) for name, array in feed(ConvNet).items()}
    out = session(path).infer(arrays)["output"]
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, truth(ConvNet).numpy(), atol=0.02)


def test_executed_float(tmp_path):
    assert session(models.onnx_file(ConvNet, tmp_path / "m.onnx")).executed() == {"fp32": 2}


def test_executed_counts_no_product_of_two_activations(tmp_path):
    class Product(torch.nn.Module):
        def forward(self, x):
            return x @ x.transpose(1, 2)

    path = tmp_path / "m.onnx"
    torch.onnx.export(Product(), (torch.ones(1, 2, 3),), str(path), dynamo=False)
    assert session(path).executed() == {}


def test_executed_static_int8(tmp_path):
    class Reader(CalibrationDataReader):
        left = iter([feed(ConvNet)])

        def get_next(self):
            return next(self.left, None)

    source = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    quantize_static(source, tmp_path / "q.onnx", Reader(), op_types_to_quantize=["Conv"])
    assert session(tmp_path / "q.onnx").executed() == {"int8": 1, "fp32": 1}


def test_executed_dynamic_int8(tmp_path):
    source = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    quantize_dynamic(source, tmp_path / "q.onnx")
    assert session(tmp_path / "q.onnx").executed() == {"int8": 2}


def test_a_damaged_file_is_named(tmp_path):
    path = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    artifact = models.artifact("onnx", path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OptkitError, match=r"cannot load m\.onnx"):
        runtime.open_session(artifact, Settings())


def test_no_such_device(tmp_path):
    artifact = models.artifact("onnx", models.onnx_file(ConvNet, tmp_path / "m.onnx"))
    with pytest.raises(OptkitError) as caught:
        runtime.open_session(artifact, Settings(device="NPU"))
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "CPU" in caught.value.hint
