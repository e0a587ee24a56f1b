"""PyTorch runs what the torch formats hold, by input name, in every mode."""

import os
import subprocess
import sys
import threading

import models
import numpy as np
import pytest
import torch
from models import ConvNet, DictNet, LoopNet, TokenNet, TwoInputs

from optkit.core.errors import Exit, OptkitError, root_cause
from optkit.core.settings import Settings
from optkit.runtimes import torch as runtime

SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError
from optkit.core.settings import Settings
from optkit.core.signature import Signature
from optkit.runtimes import torch as runtime
import torch
path = Path(sys.argv[1])
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (100 << 20),) * 2)
try:
    runtime.open_session(Artifact("torchscript", path, (path,), Signature(), "", 0), Settings())
except OptkitError as error:
    print(error.message)
"""


def feed(kind):
    return {
        name: tensor.numpy()
        for name, tensor in zip(models.names(kind), models.example(kind), strict=True)
    }


def truth(kind):
    with torch.inference_mode():
        return models.build(kind)(*models.example(kind))


def session(form, path, **more):
    return runtime.open_session(models.artifact(form, path, **more), Settings(threads=1))


@pytest.mark.parametrize(
    ("form", "write"), [("torchscript", models.traced), ("exported", models.exported)]
)
def test_dict_outputs_keep_their_names(tmp_path, form, write):
    out = session(form, write(DictNet, tmp_path / "m.pt2")).infer(feed(DictNet))
    for name, tensor in truth(DictNet).items():
        np.testing.assert_allclose(out[name], tensor.numpy(), rtol=1e-5, atol=1e-6)
    assert set(out) == {"logits", "features"}


@pytest.mark.parametrize(
    ("form", "write"), [("torchscript", models.traced), ("exported", models.exported)]
)
def test_two_inputs_go_by_name_whatever_the_order(tmp_path, form, write):
    arrays = dict(reversed(feed(TwoInputs).items()))
    out = session(form, write(TwoInputs, tmp_path / "m.pt2")).infer(arrays)
    for array, tensor in zip(out.values(), truth(TwoInputs), strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-5, atol=1e-6)
    assert list(out) == ["output_0", "output_1"]


def test_keyword_arguments_of_an_exported_program(tmp_path):
    left, right = models.example(TwoInputs)
    program = torch.export.export(
        models.build(TwoInputs), (), {"right": right, "left": left}
    )  # fmt: skip
    torch.export.save(program, tmp_path / "m.pt2")
    out = session("exported", tmp_path / "m.pt2").infer(feed(TwoInputs))
    np.testing.assert_allclose(out["output_1"], truth(TwoInputs)[1].numpy(), atol=1e-6)


def test_integer_inputs(tmp_path):
    out = session("torchscript", models.traced(TokenNet, tmp_path / "m.pt2")).infer(feed(TokenNet))
    np.testing.assert_allclose(out["output"], truth(TokenNet).numpy(), atol=1e-6)


def test_dynamic_batch(tmp_path):
    path = models.exported(DictNet, tmp_path / "m.pt2", dynamic_batch=True)
    opened = session("exported", path)
    assert opened.infer({"image": np.zeros((7, 3, 8, 8), np.float32)})["logits"].shape == (7, 5)


def test_scripted_control_flow(tmp_path):
    out = session("torchscript", models.scripted(LoopNet, tmp_path / "m.pt2")).infer(feed(LoopNet))
    np.testing.assert_allclose(out["output"], truth(LoopNet).numpy(), atol=1e-6)


def test_bfloat16_comes_out_as_float32(tmp_path):
    network = models.build(LoopNet).bfloat16()
    example = models.example(LoopNet)[0]
    torch.export.save(
        torch.export.export(torch.nn.Sequential(network.step), (example.bfloat16(),)),
        tmp_path / "m.pt2",
    )
    opened = session("exported", tmp_path / "m.pt2")
    (out,) = opened.infer({"input": example.numpy()}).values()
    assert out.dtype == np.float32
    with torch.inference_mode():
        np.testing.assert_array_equal(out, network.step(example.bfloat16()).float().numpy())


def test_executed_counts_the_layers(tmp_path):
    assert session("torchscript", models.traced(DictNet, tmp_path / "m.pt2")).executed() == {
        "fp32": 2
    }


def test_a_wrong_shape_is_the_librarys_own_error(tmp_path):
    opened = session("torchscript", models.traced(DictNet, tmp_path / "m.pt2"))
    with pytest.raises(RuntimeError):
        opened.infer({"image": np.zeros((1, 4, 8, 8), np.float32)})


def opened_with(form, path, **settings):
    given = {"threads": 1, **settings}
    return runtime.open_session(models.artifact(form, path), Settings(**given))


def same_as_eager(opened, tolerance=1e-5):
    """Whether infer agrees with the network, before and after others were submitted."""
    expected = truth(DictNet)
    done = []
    for _ in range(3):
        for name, array in opened.infer(feed(DictNet)).items():
            np.testing.assert_allclose(array, expected[name].numpy(), atol=tolerance)
            assert array.dtype == np.float32
        for _ in range(3):
            opened.submit(feed(DictNet), done.append)
    opened.close()
    assert done == [None] * 9


@pytest.mark.parametrize(
    ("form", "write", "mode"),
    [
        ("torchscript", models.traced, None),
        ("torchscript", models.traced, "frozen"),
        ("exported", models.exported, "eager"),
        pytest.param("exported", models.exported, "compile", marks=pytest.mark.slow),
        pytest.param("exported", models.exported, "aot", marks=pytest.mark.slow),
    ],
)
def test_modes_agree(tmp_path, form, write, mode):
    opened = opened_with(form, write(DictNet, tmp_path / "m.pt2"), mode=mode, streams=2)
    same_as_eager(opened)
    assert opened.settings["mode"] == mode or mode is None


@pytest.mark.parametrize(
    ("form", "write"), [("torchscript", models.traced), ("exported", models.exported)]
)
@pytest.mark.parametrize(("precision", "word"), [("bf16", "bf16"), ("f16", "fp16")])
def test_lower_precision_by_autocast(tmp_path, form, write, precision, word):
    opened = opened_with(form, write(DictNet, tmp_path / "m.pt2"), infer_precision=precision)
    exact = truth(DictNet)["logits"].numpy()
    assert np.abs(opened.infer(feed(DictNet))["logits"] - exact).max() > 1e-5, "it was cast"
    assert opened.executed() == {word: 2}
    same_as_eager(opened, 3e-2)


def test_each_session_keeps_its_own_threads(tmp_path):
    path = models.traced(DictNet, tmp_path / "m.pt")
    one = opened_with("torchscript", path, threads=1)
    many = opened_with("torchscript", path, threads=6, streams=2)
    one.infer(feed(DictNet))
    assert torch.get_num_threads() == 1
    many.infer(feed(DictNet))
    assert torch.get_num_threads() == 3
    seen = []
    for session_ in (one, many, one):
        done = threading.Event()
        session_.submit(
            feed(DictNet), lambda _, done=done: (seen.append(torch.get_num_threads()), done.set())
        )
        assert done.wait(10)
    assert seen == [1, 3, 1]
    one.close()
    many.close()
    torch.set_num_threads(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"hint": "latency", "threads": 2}, {"streams": 1, "threads": 2, "nireq": 1}),
        ({"hint": "throughput", "threads": 2}, {"streams": 2, "threads": 2, "nireq": 2}),
        ({"streams": 2, "threads": 2, "nireq": 4}, {"streams": 2, "threads": 2, "nireq": 4}),
    ],
)
def test_submissions_call_back_with_their_errors(tmp_path, settings, used):
    before = threading.active_count()
    opened = opened_with("torchscript", models.traced(DictNet, tmp_path / "m.pt"), **settings)
    done = []
    for _ in range(10):
        opened.submit(feed(DictNet), done.append)
    opened.submit({"image": np.zeros((1, 4, 8, 8), np.float32)}, done.append)
    opened.submit(feed(DictNet), done.append)
    opened.close()
    assert {name: opened.settings.get(name) for name in used} == used
    assert opened.slots == used["nireq"]
    assert len(done) == 12
    assert sum(isinstance(error, RuntimeError) for error in done) == 1
    assert threading.active_count() == before


def test_what_compiles_needs_a_compiler(tmp_path, monkeypatch):
    path = models.exported(ConvNet, tmp_path / "m.pt2")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    for mode in ("compile", "aot"):
        with pytest.raises(OptkitError, match=rf"mode {mode} needs a C\+\+ compiler") as caught:
            opened_with("exported", path, mode=mode)
        assert "g++" in caught.value.hint


@pytest.mark.parametrize(
    ("form", "write", "settings", "told"),
    [
        ("torchscript", models.traced, {"device": "NPU"}, "no device 'NPU'"),
        ("torchscript", models.traced, {"hint": "cumulative_throughput"}, "no hint"),
        ("torchscript", models.traced, {"mode": "compile"}, "runs module or exported"),
        ("torchscript", models.traced, {"mode": "aot"}, "runs exported"),
        ("exported", models.exported, {"mode": "frozen"}, "runs torchscript"),
        ("torchscript", models.traced, {"mode": "quick"}, "no mode 'quick'"),
        (
            "torchscript",
            models.traced,
            {"mode": "frozen", "infer_precision": "bf16"},
            "not in bf16",
        ),
        ("torchscript", models.traced, {"pin": True}, "binds threads to cores only"),
        ("torchscript", models.traced, {"graph_optimizations": False}, "graph_optimizations"),
        ("exported", models.exported, {"batch": 2}, "'image' holds 2"),
        ("torchscript", models.traced, {"nireq": 0}, "nireq is 0"),
    ],
)
def test_refusals(tmp_path, form, write, settings, told):
    path = write(DictNet, tmp_path / "m.pt2")
    with pytest.raises(OptkitError) as caught:
        opened_with(form, path, **settings)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert told in caught.value.message
    assert caught.value.hint


def test_a_model_that_does_not_fit_is_told(tmp_path):
    wide = torch.nn.Linear(4096, 16384)
    torch.jit.trace(wide.eval(), torch.zeros(1, 4096)).save(tmp_path / "wide.pt")
    done = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY, str(tmp_path / "wide.pt")],
                          check=True, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.stdout.startswith("wide.pt does not fit into the memory of CPU in PyTorch: ")


def test_a_damaged_file_is_named(tmp_path):
    path = models.traced(DictNet, tmp_path / "m.pt")
    artifact = models.artifact("torchscript", path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(OptkitError, match=r"cannot read 'm\.pt'") as caught:
        runtime.open_session(artifact, Settings())
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert root_cause(caught.value)
