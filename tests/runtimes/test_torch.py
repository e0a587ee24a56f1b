"""PyTorch runs what the torch formats hold, by input name."""

import models
import numpy as np
import pytest
import torch
from models import DictNet, LoopNet, TokenNet, TwoInputs

from optkit.core.errors import Exit, OptkitError
from optkit.core.settings import Settings
from optkit.runtimes import torch as runtime


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


@pytest.mark.parametrize("settings", [Settings(device="NPU"), Settings(infer_precision="bf16")])
def test_what_it_cannot_do_is_bad_input(tmp_path, settings):
    artifact = models.artifact("torchscript", models.traced(DictNet, tmp_path / "m.pt2"))
    with pytest.raises(OptkitError) as caught:
        runtime.open_session(artifact, settings)
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert caught.value.hint
