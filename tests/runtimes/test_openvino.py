"""OpenVINO runs IR as the settings say, and hands out arrays that numpy reads right."""

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

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


@pytest.fixture(scope="module")
def convnet(tmp_path_factory):
    """The file of a ConvNet, made once."""
    return models.ir_file(ConvNet, tmp_path_factory.mktemp("openvino") / "m.xml")


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


def test_submissions_call_back_with_their_errors(convnet):
    before = threading.active_count()
    opened = session(convnet, nireq=3)
    expected = opened.infer(feed(ConvNet))
    done = []
    for _ in range(20):
        opened.submit(feed(ConvNet), done.append)
    opened.submit({"image": np.zeros((1, 4, 8, 8), np.float32)}, done.append)
    opened.submit(feed(ConvNet), done.append)
    opened.close()
    assert opened.slots == 3
    assert len(done) == 22
    (error,) = [error for error in done if error is not None]
    assert isinstance(error, RuntimeError)
    assert threading.active_count() == before
    for name, array in opened.infer(feed(ConvNet)).items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({}, {"hint": "latency", "streams": 1, "nireq": 1}),
        ({"hint": "latency"}, {"hint": "latency", "streams": 1, "nireq": 1}),
        ({"hint": "throughput"}, {"hint": "throughput"}),
        ({"hint": "cumulative_throughput"}, {"hint": "cumulative_throughput"}),
        ({"hint": "none", "streams": 1, "nireq": 5}, {"streams": 1, "nireq": 5}),
        ({"pin": False}, {"pin": False}),
        ({"device": "AUTO:CPU"}, {"threads": 1, "execution_devices": ["CPU"], "pin": True}),
        ({"device": "MULTI:CPU", "pin": False}, {"threads": 1, "pin": False}),
        ({"device": "BATCH:CPU(4)"}, {"threads": 1, "execution_devices": ["CPU"]}),
    ],
)
def test_settings_are_what_openvino_says(convnet, settings, used):
    opened = session(convnet, **settings)
    assert {name: opened.settings.get(name) for name in used} == used
    assert opened.settings["infer_precision"] == "f32"
    (out,) = opened.infer(feed(ConvNet)).values()
    np.testing.assert_allclose(out, truth(ConvNet).numpy(), atol=1e-5)
    json.dumps(opened.settings)


def test_settings_that_come_to_the_same_run_alike(convnet):
    ran = {}
    for hint, streams in itertools.product(("latency", "throughput"), (None, 1, 2)):
        asked = {"hint": hint, "streams": streams, "threads": 2}
        found = runtime.resolved(Settings(**asked))
        assert (found is None) == (hint == "throughput" and streams is None)
        if found:
            opened = runtime.open_session(models.artifact("ir", convnet), Settings(**asked))
            used = {name: value for name, value in opened.settings.items() if name != "hint"}
            ran.setdefault(json.dumps(found), []).append((used, opened.executed()))
    assert len(ran) < 5  # with the hint for latency at least, one stream is what it comes to
    for first, *others in ran.values():
        assert all(other == first for other in others)


def test_hetero_says_which_part_runs_where(convnet):
    opened = session(convnet, device="HETERO:CPU")
    network = openvino.Core().read_model(convnet)
    kinds = [op.get_type_name() for op in network.get_ops()]
    working = [kind for kind in kinds if kind not in {"Constant", "Parameter", "Result"}]
    assert opened.settings["placement"] == {"CPU": len(working)}
    assert opened.executed() == {"fp32": 2}


def fixed(tmp_path, network):
    """A file whose input is (2, 3, 8, 8), and nothing else."""
    model = openvino.convert_model(
        network, example_input=models.example(ConvNet), input=[2, 3, 8, 8]
    )
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    return tmp_path / "m.xml"


def test_a_batch_reshapes_a_fixed_model(tmp_path):
    opened = session(fixed(tmp_path, models.build(ConvNet)), batch=3)
    arrays = {name: array.repeat(3, axis=0) for name, array in feed(ConvNet).items()}
    (out,) = opened.infer(arrays).values()
    np.testing.assert_allclose(out, truth(ConvNet).numpy().repeat(3, axis=0), atol=1e-5)
    assert opened.settings["batch"] == 3


def test_a_batch_that_the_graph_fixes_is_refused(tmp_path):
    class Fixed(ConvNet):
        def forward(self, image):
            return self.classify(self.norm(self.conv(image)).reshape(2, 4, -1).mean(2))

    path = fixed(tmp_path, models.build(Fixed))
    with pytest.raises(OptkitError, match=r"m\.xml cannot run with batch 3") as caught:
        session(path, batch=3)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "dynamic batch" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"device": "HETERO:GPU,CPU"}, "no device 'GPU' here, named in 'HETERO:GPU,CPU'"),
        ({"device": "AUTO:TPU"}, "no device 'TPU'"),
        ({"device": "CPU:1"}, "no device 'CPU:1'"),
        ({"device": "MULTI"}, "names no devices"),
        ({"device": "HETERO:"}, "names no devices"),
        ({"device": ""}, "no device ''"),
        ({"mode": "compile"}, "no setting mode"),
        ({"graph_optimizations": False}, "no setting graph_optimizations"),
        ({"nireq": 0}, "nireq is 0"),
    ],
)
def test_refusals(convnet, settings, told):
    with pytest.raises(OptkitError) as caught:
        session(convnet, **settings)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert told in caught.value.message
    assert caught.value.hint


def test_a_precision_that_the_device_lacks_is_refused(convnet):
    if "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU computes in f16")
    with pytest.raises(OptkitError, match="CPU has no f16: it would compute in") as caught:
        session(convnet, infer_precision="f16")
    assert "f32" in caught.value.hint


def test_a_setting_that_openvino_refuses_is_named(convnet):
    with pytest.raises(OptkitError) as caught:
        session(convnet, hint="best")
    assert caught.value.message.startswith("CPU refuses hint best: ")
    assert caught.value.exit_code == Exit.BAD_INPUT


def test_no_such_device_names_those_there_are(convnet):
    with pytest.raises(OptkitError) as caught:
        session(convnet, device="NPU")
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "CPU" in caught.value.hint


UNLOADED = """
import os, signal, sys, threading
from pathlib import Path
import models
from optkit.core.settings import Settings
from optkit.runtimes import openvino

held = [openvino.open_session(models.artifact("ir", Path(sys.argv[1])), Settings())]
other = threading.Thread(target=held.clear)
other.start()
other.join()
signal.signal(signal.SIGTERM, lambda *_: print("told"))
os.kill(os.getpid(), signal.SIGTERM)
"""

AT_ONCE = """
import sys, threading
from pathlib import Path
import models
from optkit.core.settings import Settings
from optkit.runtimes import openvino

model, _ = openvino.compiled(models.artifact("ir", Path(sys.argv[1])), Settings())
waiting = []

def first_array():
    tensor = model.create_infer_request().get_input_tensor(0)
    waiting.append(tensor)
    while len(waiting) < len(threads):
        pass
    tensor.data

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=first_array) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("goes on")
"""


def alone(script: str, model: Path) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, as a fault there ends it or stops it for ever."""
    command = [sys.executable, "-c", script, str(model)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_signal_is_told_after_a_model_was_let_go_in_another_thread(convnet) -> None:
    done = alone(UNLOADED, convnet)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr


def test_threads_that_ask_for_the_first_array_at_once_all_get_it(convnet) -> None:
    done = alone(AT_ONCE, convnet)
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr
