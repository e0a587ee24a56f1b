import models

from optkit.formats import ir


def source(tmp_path, kind=models.ConvNet):
    return models.artifact("ir", models.ir_file(kind, tmp_path / "source.xml"))


def test_a_network(apply, tmp_path):
    """
    Given: Convolution and MatMul with float32 weights
    Result: both with u8 weights, less a zero point, times a scale; no FakeQuantize
    """
    done = apply("quantize_weights_int8", source(tmp_path), cosine=0.999, twice=True)
    assert ir.summary(done.artifact).precision == {"w8a16": 2}
    assert "FakeQuantize" not in done.after
    assert done.after["Subtract"] == 2


def test_without_zero_points(apply, tmp_path):
    """
    Given: the same, option symmetric: true
    Result: i8 weights times a scale
    """
    done = apply("quantize_weights_int8", source(tmp_path), cosine=0.999, symmetric=True)
    assert ir.summary(done.artifact).precision == {"w8a16": 2}
    assert "Subtract" not in done.after


def test_no_floating_point_weights(apply, tmp_path):
    done = apply("quantize_weights_int8", source(tmp_path), cosine=0.999)
    again = apply("quantize_int8", done.artifact, cosine=0.95).artifact
    assert ir.summary(again).precision.keys() <= {"int8", "w8a16"}
    (tmp_path / "quantize_weights_int8-1").rename(tmp_path / "first")
    given = models.artifact("ir", tmp_path / "first" / "output" / "model.xml")
    assert apply("quantize_weights_int8", given).outcome.reason == "no floating-point weights"


def test_spared_operations(apply, tmp_path):
    """
    Given: the same, option ignored_scope: {types: [MatMul]}
    Result: the convolution alone in 8 bits
    """
    scope = {"types": ["MatMul"]}
    done = apply("quantize_weights_int8", source(tmp_path), cosine=0.999, ignored_scope=scope)
    assert ir.summary(done.artifact).precision == {"w8a16": 1, "fp32": 1}
