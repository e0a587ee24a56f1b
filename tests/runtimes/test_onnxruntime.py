"""ONNX Runtime runs ONNX; what it executed is read from the graph that it optimized."""

import json
import os
import threading
import time
from pathlib import Path

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


def session(path, **settings):
    given = {"threads": 1, **settings}
    return runtime.open_session(models.artifact("onnx", path), Settings(**given))


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


def test_graph_optimizations_are_a_setting(tmp_path):
    """Given: a convolution with a ReLU behind it.

    Result: one operation where ONNX Runtime may rewrite the graph, both where it may not.
    """
    path = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    given = {node.op_type for node in onnx.load(path).graph.node}
    assert {"Conv", "Relu"} <= given

    def ran(**settings):
        """Names of the operations that ONNX Runtime traced."""
        opened, ended = runtime.open_traced(
            models.artifact("onnx", path), Settings(threads=1, **settings), tmp_path
        )
        out = opened(feed(ConvNet))["output"]
        np.testing.assert_allclose(out, truth(ConvNet).numpy(), rtol=1e-5, atol=1e-5)
        rows = json.loads(ended().read_text())
        return {row["args"]["op_name"] for row in rows if "op_name" in row.get("args", {})}

    assert "Relu" not in ran()
    assert "Relu" in ran(graph_optimizations=False)


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


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"hint": "latency", "threads": 2}, {"streams": 1, "threads": 2, "nireq": 1}),
        ({"hint": "throughput", "threads": 2}, {"streams": 2, "threads": 2, "nireq": 2}),
        ({"streams": 2, "threads": 4, "nireq": 5}, {"streams": 2, "threads": 4, "nireq": 5}),
        ({"threads": None}, {"streams": 1, "threads": "default"}),
        ({"pin": True}, {"pin": True, "threads": 1}),
    ],
)
def test_streams_share_the_threads(tmp_path, settings, used):
    before = threading.active_count()
    opened = session(models.onnx_file(ConvNet, tmp_path / "m.onnx"), **settings)
    done = []
    for _ in range(12):
        opened.submit(feed(ConvNet), done.append)
    opened.submit({"image": np.zeros((1, 4, 8, 8), np.float32)}, done.append)
    opened.close()
    assert {name: opened.settings.get(name) for name in used} == used
    assert opened.slots == opened.settings["nireq"]
    assert len(done) == 13
    assert sum(error is not None for error in done) == 1
    assert threading.active_count() == before
    np.testing.assert_allclose(
        opened.infer(feed(ConvNet))["output"], truth(ConvNet).numpy(), atol=1e-5
    )


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has nothing to bind")
def test_pinned_threads_stay_on_their_cores(tmp_path):
    def bound():
        tasks = [int(folder.name) for folder in Path("/proc/self/task").iterdir()]
        return {task: os.sched_getaffinity(task) for task in tasks}

    own = sorted(os.sched_getaffinity(0))[:2]
    path = models.onnx_file(ConvNet, tmp_path / "m.onnx")
    before = bound()
    opened = session(path, threads=2, pin=True)
    deadline = time.monotonic() + 10  # a thread binds itself when it starts
    while {own[1]} not in (
        pool := [cores for task, cores in bound().items() if task not in before]
    ):
        assert time.monotonic() < deadline, pool
        time.sleep(0.01)
    caller, done = [], threading.Event()
    opened.submit(feed(ConvNet), lambda _: (caller.append(os.sched_getaffinity(0)), done.set()))
    assert done.wait(10)
    opened.close()
    assert caller == [{own[0]}]
    assert os.sched_getaffinity(0) == before[threading.get_native_id()]


def test_a_batch_needs_an_open_axis(tmp_path):
    opened = session(models.onnx_file(ConvNet, tmp_path / "m.onnx", dynamic_batch=True), batch=3)
    out = opened.infer({"image": feed(ConvNet)["image"].repeat(3, axis=0)})["output"]
    np.testing.assert_allclose(out, truth(ConvNet).numpy().repeat(3, axis=0), atol=1e-5)
    with pytest.raises(OptkitError, match="'image' holds 2") as caught:
        session(models.onnx_file(ConvNet, tmp_path / "f.onnx"), batch=3)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "--input image=2..6,3,8,8" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hint": "cumulative_throughput"}, "no hint 'cumulative_throughput'"),
        ({"device": "HETERO:CUDA,CPU"}, "no device 'HETERO:CUDA,CPU'"),
        ({"device": "AZURE"}, "no device 'AZURE'"),
        ({"infer_precision": "bf16"}, "not in bf16"),
        ({"mode": "eager"}, "no setting mode"),
        ({"streams": 0}, "streams is 0"),
        ({"pin": True, "threads": 10_000}, "cannot bind 10000 threads"),
    ],
)
def test_refusals(tmp_path, settings, told):
    with pytest.raises(OptkitError) as caught:
        session(models.onnx_file(ConvNet, tmp_path / "m.onnx"), **settings)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert told in caught.value.message
    assert caught.value.hint
