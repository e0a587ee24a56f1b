import hashlib
import subprocess
import sys
from pathlib import Path

import models
import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.formats import ir


def saved(model, tmp_path, **options):
    ir.save(model, tmp_path / "model.xml", **options)
    return models.artifact("ir", tmp_path / "model.xml")


def converted(kind, shape=None):
    return openvino.convert_model(
        models.build(kind), example_input=models.example(kind), input=shape
    )


def quantized(model):
    items = [np.random.default_rng(i).normal(size=(2, 3, 8, 8)).astype("f4") for i in range(4)]
    return nncf.quantize(model, nncf.Dataset(items), subset_size=4)


def test_intervals_and_open_dimensions_are_dynamic(tmp_path):
    face = saved(converted(models.ConvNet, [[openvino.Dimension(1, 8), 3, -1, 8]]), tmp_path)
    assert face.signature.inputs == (
        TensorSpec("image", (Dim(1, 8), 3, Dim(), 8), "float32"),
    )  # fmt: skip
    assert face.signature.outputs[0].shape == (Dim(1, 8), 5)
    assert ir.implied(face) == {"image": "image=1,3,16,8:float32"}


def test_counts(tmp_path):
    found = ir.summary(saved(converted(models.ConvNet, [[-1, 3, 8, 8]]), tmp_path))
    assert found.operations == {
        "Convolution": 1, "Add": 2, "Relu": 1, "ReduceMean": 1, "MatMul": 1,
    }  # fmt: skip
    assert found.parameters == 4 * 27 + 4 + 4 * 5 + 5
    assert found.flops == 2 * (4 * 36 * 27 + 20)
    assert found.precision == {"fp32": 2}


def test_half_and_quantized_weights(tmp_path):
    model = converted(models.ConvNet, [[2, 3, 8, 8]])
    half = ir.summary(saved(model, tmp_path, compress_to_fp16=True))
    assert (half.precision, half.parameters) == ({"fp16": 2}, 4 * 27 + 4 + 4 * 5 + 5)
    whole = ir.summary(saved(quantized(model), tmp_path))
    assert whole.precision == {"int8": 2}
    assert whole.operations["FakeQuantize"] == 3


@pytest.mark.parametrize(
    ("mode", "word"),
    [(nncf.CompressWeightsMode.INT8_ASYM, "w8a16"), (nncf.CompressWeightsMode.INT4_SYM, "w4a16")],
)
def test_compressed_weights(mode, word, tmp_path):
    x = ops.parameter([2, 64], np.float32, name="x")
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype("f4")
    product = ops.matmul(x, weight, False, False)
    model = openvino.Model([product, ops.matmul(product, weight.T, False, False)], [x])
    options = {} if word == "w8a16" else {"group_size": 32, "all_layers": True}
    found = ir.summary(saved(nncf.compress_weights(model, mode=mode, **options), tmp_path))
    assert found.precision == {word: 2}
    assert found.parameters == 2 * 64 * 32


def test_index_bounds_follow_ids_alone(tmp_path):
    found = saved(converted(models.TokenNet), tmp_path)
    assert ir.index_bounds(found) == {"input_ids": 11}


@pytest.mark.parametrize("harm", ["missing", "truncated", "empty"])
def test_weights_that_are_not_whole_are_bad_input(harm, tmp_path):
    path = models.ir_file(models.ConvNet, tmp_path / "model.xml")
    weights = path.with_suffix(".bin")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] if harm == "truncated" else b"")
    if harm == "missing":
        weights.unlink()
    with pytest.raises(OptkitError, match=r"model\.bin") as caught:
        ir.files(path)
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_damaged_xml_is_bad_input(tmp_path):
    path = models.ir_file(models.ConvNet, tmp_path / "model.xml")
    path.write_text(path.read_text()[:-300])
    assert ir.recognise(path)
    with pytest.raises(OptkitError, match=r"cannot read 'model\.xml' as OpenVINO IR"):
        ir.files(path)


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import models, test_ir
from optkit.formats import ir
model = test_ir.converted(models.ConvNet)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    ir.save(model, Path(sys.argv[1]) / "model.xml")
except OSError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("space", [300, 2000])
def test_a_full_disk_is_noticed(space, tmp_path):
    here = Path(__file__).parent
    arguments = [str(tmp_path), str(space), str(here.parent), str(here)]
    done = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], check=True, capture_output=True, text=True
    )
    assert "refused cannot write" in done.stdout


HISTORY = """
import sys, hashlib
from pathlib import Path
sys.path[:0] = [sys.argv[3], sys.argv[4]]
import models, test_ir
from optkit.formats import ir
for _ in range(int(sys.argv[1])):
    test_ir.converted(models.TwoInputs)
plain = test_ir.converted(models.DictNet, [[2, 3, 8, 8]])
folder = Path(sys.argv[2])
ir.save(plain, folder / "plain.xml")
ir.save(test_ir.quantized(plain), folder / "int8.xml")
ir.save(ir.load(models.artifact("ir", folder / "plain.xml")), folder / "again.xml")
"""


def test_bytes_do_not_hang_on_what_the_process_did_before(tmp_path):
    digests = []
    for history in ("0", "7"):
        folder = tmp_path / history
        folder.mkdir()
        here = Path(__file__).parent
        arguments = [history, str(folder), str(here.parent), str(here)]
        subprocess.run([sys.executable, "-c", HISTORY, *arguments], check=True, capture_output=True)
        digests.append({
            file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()
        })
    assert digests[0] == digests[1]
    assert len(digests[0]) == 6
    assert digests[0]["plain.bin"] == digests[0]["again.bin"]
