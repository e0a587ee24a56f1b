"""PyTorch on a CUDA device gives what it gives on the processor, as fast as its settings allow."""

import models
import numpy as np
import pytest
import torch
from models import ConvNet

from optkit.core.settings import Settings
from optkit.runtimes import torch as runtime

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

FORMATS = {"torchscript": models.traced, "exported": models.exported}


def outputs(form, path, settings):
    session = runtime.open_session(models.artifact(form, path), settings)
    image = models.example(ConvNet)[0].numpy()
    (found,) = session.infer(dict(zip(models.names(ConvNet), [image], strict=True))).values()
    session.close()
    return found


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("precision", "atol"), [("f32", 1e-4), ("f16", 2e-2), ("bf16", 1e-1)]
)  # fmt: skip
def test_outputs_are_those_of_the_processor(tmp_path, form, precision, atol):
    path = FORMATS[form](ConvNet, tmp_path / "m.pt2")
    here = outputs(form, path, Settings())
    there = outputs(form, path, Settings(device="CUDA", infer_precision=precision))
    assert here.std() > 0.01
    np.testing.assert_allclose(there, here, atol=atol)


@pytest.mark.parametrize(
    ("form", "mode"),
    [("torchscript", "frozen"), ("exported", "compile"), ("exported", "aot")],
)  # fmt: skip
def test_every_mode_runs(tmp_path, form, mode):
    path = FORMATS[form](ConvNet, tmp_path / "m.pt2")
    here = outputs(form, path, Settings())
    there = outputs(form, path, Settings(device="CUDA", mode=mode))
    np.testing.assert_allclose(there, here, atol=1e-3)


def test_inferences_run_side_by_side_on_streams_of_their_own(tmp_path):
    path = models.traced(ConvNet, tmp_path / "m.pt")
    settings = Settings(device="CUDA", api="async", streams=2, nireq=4)
    session = runtime.open_session(models.artifact("torchscript", path), settings)
    arrays = {models.names(ConvNet)[0]: models.example(ConvNet)[0].numpy()}
    errors = []
    for _ in range(20):
        session.submit(arrays, errors.append)
    session.close()
    assert errors == [None] * 20


def test_every_device_has_a_word():
    words = runtime.devices()
    assert words[:2] == ("CPU", "CUDA")
    assert len(words) == 1 + torch.cuda.device_count()
