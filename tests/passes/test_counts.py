"""Exact counts of operations before and after each graph pass, on whole networks.

Given: a network by torch's exporter, `raw` where its own optimizations are off
Result: `simplify` and the others below, each on the network as exported: what it removes and adds;
`all`: the operations that are left after all passes in turn. A pass that is not named changes
nothing.
"""

from __future__ import annotations

from collections import Counter

import graphs_by_hand as by_hand
import measuring
import models
import networks
import pytest

from optkit.core.contract import Summary
from optkit.data.synthesise import synthesise
from optkit.formats import onnx

PASSES = (
    "simplify", "fuse_batchnorm", "fuse_scale_shift", "fuse_linear", "fuse_grouped_conv",
    "optimize_strides",
)  # fmt: skip

# fmt: off
TINY = {
    "raw resnet": {
        "before": (
            "69: 2 Add, 9 BatchNormalization, 9 CastLike, 1 Concat, 9 Conv, 18 Expand, 1 "
            "Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 2 Reshape, 9 Shape"
        ),
        "simplify": "-9 CastLike, -1 Concat, -18 Expand, -1 Reshape, -9 Shape",
        "fuse_batchnorm": (
            "-9 BatchNormalization, -9 CastLike, -1 Concat, -18 Expand, -1 Reshape, -9 "
            "Shape"
        ),
        "all": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
    },
    "raw mobilenet": {
        "before": (
            "484: 10 Add, 52 BatchNormalization, 122 CastLike, 35 Clip, 1 Concat, 52 Conv, "
            "104 Expand, 1 Gemm, 52 Pad, 1 ReduceMean, 2 Reshape, 52 Shape"
        ),
        "simplify": (
            "-122 CastLike, -1 Concat, -104 Expand, -52 Pad, -1 Reshape, -52 Shape"
        ),
        "fuse_batchnorm": (
            "-52 BatchNormalization, -122 CastLike, -1 Concat, -104 Expand, -1 Reshape, -52 "
            "Shape"
        ),
        "all": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
    },
    "raw vit": {
        "before": (
            "142: 20 Add, 4 CastLike, 18 Concat, 1 Conv, 2 Expand, 1 Gather, 2 Gelu, 1 "
            "Gemm, 1 GreaterOrEqual, 5 Identity, 2 IsNaN, 5 LayerNormalization, 16 MatMul, "
            "4 Mul, 1 Range, 15 Reshape, 2 Shape, 6 Slice, 2 Softmax, 4 Sqrt, 23 Transpose, "
            "3 Unsqueeze, 4 Where"
        ),
        "simplify": (
            "-3 Add, -4 CastLike, -17 Concat, -2 Expand, -1 GreaterOrEqual, -5 Identity, -1 "
            "Range, -2 Reshape, -2 Shape, -6 Slice, -4 Sqrt, -12 Transpose, -3 Unsqueeze, "
            "-2 Where"
        ),
        "all": (
            "78: 17 Add, 1 Concat, 1 Conv, 1 Gather, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 13 Reshape, 2 Softmax, 11 Transpose, 2 "
            "Where"
        ),
    },
    "raw bert": {
        "before": (
            "175: 22 Add, 2 And, 5 Cast, 8 CastLike, 16 Concat, 4 Expand, 4 Gather, 1 "
            "GatherND, 2 Gelu, 1 Gemm, 1 GreaterOrEqual, 5 Identity, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 1 Max, 4 Mul, 3 Range, 17 Reshape, 3 Shape, 7 "
            "Slice, 2 Softmax, 4 Sqrt, 1 Tanh, 24 Transpose, 11 Unsqueeze, 4 Where"
        ),
        "simplify": (
            "-2 Add, -1 And, -4 Cast, -8 CastLike, -16 Concat, -4 Expand, -1 Gather, -1 "
            "GreaterOrEqual, -5 Identity, -1 Max, -3 Range, -5 Reshape, -3 Shape, -7 Slice, "
            "-4 Sqrt, -14 Transpose, -11 Unsqueeze, -1 Where"
        ),
        "all": (
            "84: 20 Add, 1 And, 1 Cast, 3 Gather, 1 GatherND, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 12 Reshape, 2 Softmax, 1 Tanh, 10 "
            "Transpose, 3 Where"
        ),
    },
    "default resnet": {
        "before": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
        "all": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
    },
    "default mobilenet": {
        "before": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
        "all": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
    },
    "default vit": {
        "before": (
            "80: 19 Add, 1 Concat, 1 Conv, 1 Gather, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 13 Reshape, 2 Softmax, 11 Transpose, 2 "
            "Where"
        ),
        "simplify": "-2 Add",
        "all": (
            "78: 17 Add, 1 Concat, 1 Conv, 1 Gather, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 13 Reshape, 2 Softmax, 11 Transpose, 2 "
            "Where"
        ),
    },
    "default bert": {
        "before": (
            "84: 20 Add, 1 And, 1 Cast, 3 Gather, 1 GatherND, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 12 Reshape, 2 Softmax, 1 Tanh, 10 "
            "Transpose, 3 Where"
        ),
        "all": (
            "84: 20 Add, 1 And, 1 Cast, 3 Gather, 1 GatherND, 2 Gelu, 1 Gemm, 2 IsNaN, 5 "
            "LayerNormalization, 16 MatMul, 4 Mul, 12 Reshape, 2 Softmax, 1 Tanh, 10 "
            "Transpose, 3 Where"
        ),
    },
    "default scale_shift": {
        "before": "32: 8 Add, 8 Conv, 8 Mul, 8 Relu",
        "fuse_scale_shift": "-8 Add, -8 Mul",
        "all": "16: 8 Conv, 8 Relu",
    },
    "default batchnorm_first": {
        "before": "24: 8 BatchNormalization, 8 Conv, 8 Relu",
        "fuse_batchnorm": "-8 BatchNormalization",
        "all": "16: 8 Conv, 8 Relu",
    },
    "default stride_last": {
        "before": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
        "optimize_strides": "-55296 FLOPs",
        "all": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
    },
    "default stride_first": {
        "before": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
        "optimize_strides": "-32256 FLOPs",
        "all": "22: 2 Add, 9 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 7 Relu, 1 Reshape",
    },
    "default parallel_convs": {
        "before": "28: 4 Concat, 16 Conv, 4 Relu, 4 Split",
        "fuse_grouped_conv": "-4 Concat, -12 Conv, -4 Split",
        "all": "8: 4 Conv, 4 Relu",
    },
    "default products": {
        "before": "28: 8 Add, 4 Gemm, 8 MatMul, 8 Relu",
        "fuse_linear": "-8 Add, +4 Gemm, -8 MatMul, -2048 FLOPs",
        "all": "16: 8 Gemm, 8 Relu",
    },
}

FULL = {
    "raw resnet": {
        "before": (
            "389: 16 Add, 53 BatchNormalization, 53 CastLike, 1 Concat, 53 Conv, 106 "
            "Expand, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 2 Reshape, 53 Shape"
        ),
        "simplify": "-53 CastLike, -1 Concat, -106 Expand, -1 Reshape, -53 Shape",
        "fuse_batchnorm": (
            "-53 BatchNormalization, -53 CastLike, -1 Concat, -106 Expand, -1 Reshape, -53 "
            "Shape"
        ),
        "all": (
            "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape"
        ),
    },
    "raw mobilenet": {
        "before": (
            "484: 10 Add, 52 BatchNormalization, 122 CastLike, 35 Clip, 1 Concat, 52 Conv, "
            "104 Expand, 1 Gemm, 52 Pad, 1 ReduceMean, 2 Reshape, 52 Shape"
        ),
        "simplify": (
            "-122 CastLike, -1 Concat, -104 Expand, -52 Pad, -1 Reshape, -52 Shape"
        ),
        "fuse_batchnorm": (
            "-52 BatchNormalization, -122 CastLike, -1 Concat, -104 Expand, -1 Reshape, -52 "
            "Shape"
        ),
        "all": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
    },
    "raw vit": {
        "before": (
            "742: 110 Add, 14 CastLike, 88 Concat, 1 Conv, 2 Expand, 1 Gather, 12 Gelu, 1 "
            "Gemm, 1 GreaterOrEqual, 25 Identity, 12 IsNaN, 25 LayerNormalization, 96 MatMul, "
            "24 Mul, 1 Range, 85 Reshape, 12 Shape, 36 Slice, 12 Softmax, 24 Sqrt, 133 "
            "Transpose, 3 Unsqueeze, 24 Where"
        ),
        "simplify": (
            "-13 Add, -14 CastLike, -87 Concat, -2 Expand, -1 GreaterOrEqual, -25 Identity, "
            "-1 Range, -12 Reshape, -12 Shape, -36 Slice, -24 Sqrt, -72 Transpose, -3 "
            "Unsqueeze, -12 Where"
        ),
        "all": (
            "428: 97 Add, 1 Concat, 1 Conv, 1 Gather, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 73 Reshape, 12 Softmax, 61 Transpose, 12 "
            "Where"
        ),
    },
    "raw bert": {
        "before": (
            "775: 112 Add, 2 And, 5 Cast, 18 CastLike, 86 Concat, 4 Expand, 4 Gather, 1 "
            "GatherND, 12 Gelu, 1 Gemm, 1 GreaterOrEqual, 25 Identity, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 1 Max, 24 Mul, 3 Range, 87 Reshape, 13 Shape, 37 "
            "Slice, 12 Softmax, 24 Sqrt, 1 Tanh, 134 Transpose, 11 Unsqueeze, 24 Where"
        ),
        "simplify": (
            "-2 Add, -1 And, -4 Cast, -18 CastLike, -86 Concat, -4 Expand, -1 Gather, -1 "
            "GreaterOrEqual, -25 Identity, -1 Max, -3 Range, -15 Reshape, -13 Shape, -37 "
            "Slice, -24 Sqrt, -74 Transpose, -11 Unsqueeze, -11 Where"
        ),
        "all": (
            "444: 110 Add, 1 And, 1 Cast, 3 Gather, 1 GatherND, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 72 Reshape, 12 Softmax, 1 Tanh, 60 "
            "Transpose, 13 Where"
        ),
    },
    "default resnet": {
        "before": "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape",
        "all": "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape",
    },
    "default mobilenet": {
        "before": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
        "all": "100: 10 Add, 35 Clip, 52 Conv, 1 Gemm, 1 ReduceMean, 1 Reshape",
    },
    "default vit": {
        "before": (
            "441: 109 Add, 1 Concat, 1 Conv, 1 Gather, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 73 Reshape, 12 Softmax, 61 Transpose, "
            "13 Where"
        ),
        "simplify": "-1 Where",
        "all": (
            "440: 109 Add, 1 Concat, 1 Conv, 1 Gather, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 73 Reshape, 12 Softmax, 61 Transpose, "
            "12 Where"
        ),
    },
    "default bert": {
        "before": (
            "445: 110 Add, 1 And, 1 Cast, 4 Gather, 1 GatherND, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 72 Reshape, 12 Softmax, 1 Tanh, 60 "
            "Transpose, 13 Where"
        ),
        "simplify": "-1 Gather",
        "all": (
            "444: 110 Add, 1 And, 1 Cast, 3 Gather, 1 GatherND, 12 Gelu, 1 Gemm, 12 IsNaN, 25 "
            "LayerNormalization, 96 MatMul, 24 Mul, 72 Reshape, 12 Softmax, 1 Tanh, 60 "
            "Transpose, 13 Where"
        ),
    },
    "default scale_shift": {
        "before": "32: 8 Add, 8 Conv, 8 Mul, 8 Relu",
        "fuse_scale_shift": "-8 Add, -8 Mul",
        "all": "16: 8 Conv, 8 Relu",
    },
    "default batchnorm_first": {
        "before": "24: 8 BatchNormalization, 8 Conv, 8 Relu",
        "fuse_batchnorm": "-8 BatchNormalization",
        "all": "16: 8 Conv, 8 Relu",
    },
    "default stride_last": {
        "before": "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape",
        "optimize_strides": "-2080899072 FLOPs",
        "all": "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape",
    },
    "default stride_first": {
        "before": "122: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape",
        "optimize_strides": "+3 Slice, -751435776 FLOPs",
        "all": (
            "125: 16 Add, 53 Conv, 1 Gemm, 1 MaxPool, 1 ReduceMean, 49 Relu, 1 Reshape, 3 "
            "Slice"
        ),
    },
    "default parallel_convs": {
        "before": "140: 4 Concat, 128 Conv, 4 Relu, 4 Split",
        "fuse_grouped_conv": "-4 Concat, -124 Conv, -4 Split",
        "all": "8: 4 Conv, 4 Relu",
    },
    "default products": {
        "before": "28: 8 Add, 4 Gemm, 8 MatMul, 8 Relu",
        "fuse_linear": "-8 Add, +4 Gemm, -8 MatMul, -134217728 FLOPs",
        "all": "16: 8 Gemm, 8 Relu",
    },
}
# fmt: on

CASES = [
    pytest.param(size, *name.split(), expected, id=f"{size}-{name}", marks=marks)
    for size, table, marks in (("tiny", TINY, ()), ("full", FULL, (pytest.mark.slow,)))
    for name, expected in table.items()
]


@pytest.mark.parametrize(("size", "export", "name", "expected"), CASES)
def test_operations(tmp_path, size, export, name, expected) -> None:
    path = networks.exported(
        networks.NETWORKS[name](size), tmp_path / "source.onnx", optimize=export == "default"
    )
    given = models.artifact("onnx", path)
    before = onnx.summary(given)
    found = {"before": counted(before)}
    for word in PASSES:
        after, _ = measuring.passed(given, word, tmp_path / "alone")
        if after is not given:
            found[word] = changed(before, onnx.summary(after))
    result = given
    for word in PASSES:
        result, _ = measuring.passed(result, word, tmp_path / "all")
    found["all"] = counted(onnx.summary(result))
    assert found == expected
    inputs = synthesise(given.signature.inputs, 1, 0, onnx.index_bounds(given)).read(0)
    by_hand.assert_same(onnx.load(given), onnx.load(result), inputs, tolerance=1e-4)


def counted(summary: Summary) -> str:
    operations = sorted(summary.operations.items())
    return f"{sum(summary.operations.values())}: " + ", ".join(
        f"{count} {kind}" for kind, count in operations
    )


def changed(before: Summary, after: Summary) -> str:
    old, new = (Counter(summary.operations) for summary in (before, after))
    words = [f"{new[kind] - old[kind]:+} {kind}" for kind in sorted(old | new)]
    if before.flops is not None and after.flops is not None:
        words.append(f"{after.flops - before.flops:+} FLOPs")
    return ", ".join(word for word in words if not word.startswith("+0 "))
