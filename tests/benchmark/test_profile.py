"""Operations of small networks, profiled for real, and what bounds them by rule."""

import models
import numpy as np
import pytest
from models import IMAGE, ConvNet, TokenNet

from optkit.benchmark.peaks import Peak, Peaks
from optkit.benchmark.profile import profile
from optkit.benchmark.roofline import BETWEEN, NEAR, between, by_type, judged, rates
from optkit.benchmark.spec import Contender, write_inputs
from optkit.core.settings import Settings

# A channel of 6 x 6 by 3 x 3 x 3 weights, of which there are 4; then a product of 4 to 5.
CHANNEL = 2 * IMAGE[0] * 6 * 6 * 27
FLOPS = 4 * CHANNEL + 2 * IMAGE[0] * 4 * 5
KEYS = {"name", "type", "precision", "kernel", "count", "ms", "share", "gflops", "gops_per_s",
        "gb_per_s", "intensity", "peak_share", "roof_share", "bound"}  # fmt: skip
WRITERS = {
    "ir": (models.ir_file, "openvino", "net.xml"),
    "onnx": (models.onnx_file, "onnxruntime", "net.onnx"),
    "torchscript": (models.traced, "torch", "net.pt"),
    "exported": (models.exported, "torch", "net.pt2"),
}
PEAKS = Peaks(
    "openvino",
    "CPU",
    tuple(
        Peak(what, threads, per_s * threads, 0.0, 10, 10, "kernel")
        for what, per_s in (("fp32", 100e9), ("int8", 400e9), ("copy", 10e9))
        for threads in (1, 2)
    ),
    {},
)


def contender(folder, form, network=ConvNet, arrays=None, **settings):
    writer, runtime, name = WRITERS[form]
    if arrays is None:
        arrays = {"image": models.example(network)[0].numpy()}
    return Contender(
        name, models.artifact(form, writer(network, folder / name)), runtime,
        Settings(threads=1, **settings), write_inputs(folder / f"{form}.npz", arrays),
    )  # fmt: skip


def profiled(*given, peaks=PEAKS):
    return profile(given, lambda _: peaks, seconds=0.2)


def work(row):
    return round(sum(one["gflops"] or 0 for one in row["operations"]) * 1e9)


def check(row):
    """What holds of every profile."""
    *operations, left = row["operations"]
    assert all(one.keys() == KEYS for one in row["operations"])
    assert left["name"] == BETWEEN
    assert sum(one["share"] for one in row["operations"]) == pytest.approx(1)
    assert sum(one["ms"] for one in row["operations"]) == pytest.approx(row["latency_ms"])
    assert row["operations_ms"] == pytest.approx(sum(one["ms"] for one in operations))
    assert 0 < row["operations_ms"] <= row["latency_ms"]
    assert [one["ms"] for one in operations] == sorted(
        (one["ms"] for one in operations), reverse=True
    )
    types = row["by_type"]
    assert sum(one["ms"] for one in types) == pytest.approx(row["operations_ms"])
    assert sum(one["count"] for one in types) == sum(one["count"] for one in operations)
    for one in operations:
        assert one["ms"] >= 0
        assert one["bound"] in {"compute", "memory", "overhead", None}
        if one["gflops"] and one["ms"]:
            assert one["gops_per_s"] == pytest.approx(one["gflops"] / one["ms"] * 1e3)


@pytest.mark.parametrize("form", WRITERS)
def test_each_runtime_tells_its_operations(form, tmp_path):
    (row,) = profiled(contender(tmp_path, form))
    check(row)
    assert (row["runtime"], row["device"]) == (WRITERS[form][1], "CPU")
    (convolution,) = [one for one in row["operations"] if "conv" in one["type"].lower()]
    assert convolution["precision"] == "fp32"
    channels, rest = divmod(round(convolution["gflops"] * 1e9), CHANNEL)
    # ONNX Runtime fills up to the blocks that the processor computes in
    assert channels in ({4, 8, 16} if form == "onnx" else {4})
    assert rest == 0
    assert work(row) == FLOPS + (channels - 4) * CHANNEL
    moved = 4 * (np.prod(IMAGE) + 4 * 27 + IMAGE[0] * 4 * 6 * 6)  # image, weights, result
    known = convolution["gflops"] * 1e9 / convolution["intensity"]
    # a bias; weights padded to the kernel's blocks of channels
    assert moved <= known < 3 * moved
    assert row["settings"]["threads"] == 1
    assert row["peaks"]["gops"] == {"fp32": 100, "int8": 400}


def test_a_batch_is_as_much_work_as_its_inputs(tmp_path):
    one, four = profiled(contender(tmp_path, "ir"), contender(tmp_path, "ir", batch=4))
    check(four)
    assert (work(one), work(four)) == (FLOPS, 4 * FLOPS)


def test_dynamic_shapes_are_those_that_ran(tmp_path):
    arrays = {name: np.ones((3, 5), "int64") for name in ("input_ids", "attention_mask")}
    (row,) = profiled(contender(tmp_path, "torchscript", TokenNet, arrays))
    check(row)
    assert work(row) == 2 * 3 * 8 * 2


def quantized(folder):
    """An IR of one matrix product whose operands FakeQuantize quantizes: 512 x 512 each."""
    import openvino
    from openvino import opset13 as ops

    def fake(value, low, levels):
        ends = [np.float32(low), np.float32(1)] * 2
        return ops.fake_quantize(value, *(ops.constant(end) for end in ends), levels)

    given = ops.parameter([512, 512], np.float32, name="given")
    weights = np.random.default_rng(0).uniform(-1, 1, (512, 512)).astype("float32")
    product = ops.matmul(fake(given, 0, 256), fake(ops.constant(weights), -1, 255), False, True)
    given.output(0).set_names({"given"})
    product.output(0).set_names({"taken"})
    path = folder / "quantized.xml"
    openvino.save_model(openvino.Model([product], [given]), path, compress_to_fp16=False)
    return path


def test_int8_is_judged_by_its_own_peak(tmp_path):
    arrays = {"given": np.random.default_rng(0).uniform(0, 1, (512, 512)).astype("float32")}
    given = Contender(
        "int8", models.artifact("ir", quantized(tmp_path)), "openvino", Settings(threads=1),
        write_inputs(tmp_path / "given.npz", arrays),
    )  # fmt: skip
    (row,) = profiled(given)
    check(row)
    (product,) = [one for one in row["operations"] if one["gflops"]]
    assert product["precision"] == "int8"
    assert round(product["gflops"] * 1e9) == 2 * 512 * 512 * 512
    assert product["peak_share"] == pytest.approx(product["gops_per_s"] / 400)
    # a byte for each value of the operands, four for each of the result
    assert product["intensity"] == pytest.approx(2 * 512 / (1 + 1 + 4), rel=0.05)


def test_a_model_that_fails_leaves_the_others(tmp_path):
    good = contender(tmp_path, "onnx")
    bad = contender(tmp_path, "ir", arrays={"image": np.zeros((2, 7, 8, 8), "float32")})
    failed, row = profiled(bad, good)
    assert "net.xml" in failed["error"]["message"]
    assert "operations" not in failed
    check(row)


def test_without_peaks_there_is_no_bound(tmp_path):
    (row,) = profiled(contender(tmp_path, "onnx"), peaks=None)
    check(row)
    assert {one["bound"] for one in row["operations"]} == {None}
    assert row["peaks"] == {"gops": {}, "gb_per_s": None, "busy": False}


def operation(ms, flops, moved, precision="fp32", kind="Conv"):
    return {"name": "one", "type": kind, "precision": precision, "kernel": "k", "count": 1,
            "ms": ms, "flops": flops, "bytes": moved}  # fmt: skip


@pytest.mark.parametrize(
    ("ms", "flops", "moved", "precision", "bound", "share"),
    [
        (1, 90e6, 1e5, "fp32", "compute", 0.9),
        (1, 90e6, 1e5, "int8", "overhead", 0.225),  # the same rate, of a higher peak
        (1, 1e6, 8e6, "fp32", "memory", 0.8),
        (1, 0, 30e6, "fp32", "memory", 3.0),  # out of a cache
        (1, 24e6, 2.4e6, "fp32", "overhead", 0.24),
        (1, 0, 0, "fp32", "overhead", 0.0),  # another view of the same memory
        (1, 90e6, None, "fp32", "compute", 0.9),
        (1, 1e6, None, "fp32", None, 0.01),  # memory may bound it
        (1, None, 1e5, "fp32", None, 0.01),  # arithmetic may
        (1, 90e6, 1e5, "fp16", None, 0.01),  # no such peak
        (1, None, None, "fp32", None, None),
    ],
)
def test_the_rule(ms, flops, moved, precision, bound, share):
    row = judged(operation(ms, flops, moved, precision), 10, rates(PEAKS, 1))
    assert row["bound"] == bound
    assert row["roof_share"] == (None if share is None else pytest.approx(share))
    assert row["share"] == 0.1
    assert bound in {"compute", "memory"} or (share or 0) < NEAR


def test_the_peak_is_that_of_the_threads():
    assert rates(PEAKS, 2) == {"fp32": 200e9, "int8": 800e9, "copy": 20e9}
    assert rates(None, 2) == {}


def test_types_add_up():
    rows = [
        judged(operation(ms, flops, 1e5, kind=kind), 10, rates(PEAKS, 1))
        for ms, flops, kind in ((1, 90e6, "Conv"), (3, 30e6, "Conv"), (2, 0, "Relu"))
    ]
    conv, relu = by_type(rows)
    assert (conv["type"], conv["count"], conv["ms"]) == ("Conv", 2, 4)
    assert conv["gops_per_s"] == pytest.approx(30)
    assert conv["peak_share"] == pytest.approx(0.3)
    assert conv["bound"] == "overhead"  # three of four milliseconds
    assert (relu["gops_per_s"], relu["bound"]) == (None, "overhead")
    left = between(rows, 10)
    assert (left["ms"], left["share"], left["bound"]) == (4, 0.4, None)
