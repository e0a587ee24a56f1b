import models
import numpy as np
import onnx
import onnx_ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.engine.edit import edit_graph
from optkit.formats import onnx as format_onnx


def artifact(kind, tmp_path, **options):
    return models.artifact("onnx", models.onnx_file(kind, tmp_path / "model.onnx", **options))


def parsed(text, tmp_path, **tensors):
    """A model from ONNX text, `tensors` added as initializers."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in tensors.items())
    format_onnx.save(model, tmp_path / "model.onnx")
    return models.artifact("onnx", tmp_path / "model.onnx")


def test_open_dimensions_are_dynamic_and_initializers_no_inputs(tmp_path):
    face = artifact(models.TokenNet, tmp_path, dynamic_batch=True).signature
    assert face.inputs == (
        TensorSpec("input_ids", (Dim(), 6), "int64"),
        TensorSpec("attention_mask", (Dim(), 6), "int64"),
    )
    assert face.outputs == (TensorSpec("output", (Dim(), 2), "float32"),)
    found = parsed("g (float[2] x, float[2] w) => (float[2] y) { y = Add(x, w) }", tmp_path,
                   w=np.ones(2, np.float32))  # fmt: skip
    assert [spec.name for spec in found.signature.inputs] == ["x"]


def test_counts(tmp_path):
    found = format_onnx.summary(artifact(models.ConvNet, tmp_path, dynamic_batch=True))
    assert found.operations == {"Conv": 1, "Relu": 1, "ReduceMean": 1, "Gemm": 1}
    assert found.parameters == 4 * 27 + 4 + 4 * 5 + 5
    assert found.flops == 2 * (4 * 36 * 27 + 20)
    assert found.precision == {"fp32": 2}


def test_index_bounds_follow_ids_alone(tmp_path):
    assert format_onnx.index_bounds(artifact(models.TokenNet, tmp_path)) == {"input_ids": 11}


QUANTIZE = "xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z) "
SCALES = {"s": np.float32(0.1), "z": np.int8(0)}


@pytest.mark.parametrize(
    ("body", "weight", "word"),
    [
        ("y = MatMul(x, w)", np.ones((4, 3), np.float32), "fp32"),
        ("c = Cast<to=1>(w) y = MatMul(x, c)", np.ones((4, 3), np.float16), "fp16"),
        ("d = DequantizeLinear(w, s, z) y = MatMul(x, d)", np.ones((4, 3), np.int8), "w8a16"),
        (
            QUANTIZE + "d = DequantizeLinear(w, s, z) y = MatMul(xd, d)",
            np.ones((4, 3), np.int8),
            "int8",
        ),
        (
            QUANTIZE
            + "v = QuantizeLinear(w, s, z) d = DequantizeLinear(v, s, z) y = MatMul(xd, d)",
            np.ones((4, 3), np.float32),
            "int8",
        ),
        (QUANTIZE + "y = MatMul(xd, w)", np.ones((4, 3), np.float32), "fp32"),
    ],
)
def test_precision_is_what_the_graph_does(body, weight, word, tmp_path):
    text = f"g (float[2, 4] x) => (float[2, 3] y) {{ {body} }}"
    found = format_onnx.summary(parsed(text, tmp_path, w=weight, **SCALES))
    assert found.precision == {word: 1}
    assert found.parameters == 12
    assert found.flops == 2 * 2 * 3 * 4


def test_four_bit_weights(tmp_path):
    text = """g (float[2, 4] x) => (float[2, 3] y) {
        d = DequantizeLinear(w, s) y = MatMul(x, d) }"""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.INT4, (4, 3), [1] * 12))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "s"))
    format_onnx.save(model, tmp_path / "model.onnx")
    found = format_onnx.summary(models.artifact("onnx", tmp_path / "model.onnx"))
    assert (found.precision, found.parameters) == ({"w4a16": 1}, 12)


def test_a_product_of_activations_carries_no_weight(tmp_path):
    text = "g (float[2, 4] x, float[4, 3] w) => (float[2, 3] y) { y = MatMul(x, w) }"
    found = format_onnx.summary(parsed(text, tmp_path))
    assert (found.precision, found.parameters, found.flops) == ({}, 0, 48)


def test_branches_count_and_see_outer_weights(tmp_path):
    text = """g (bool c, float[2, 4] x) => (float[2, 3] y) {
        y = If (c) <
            then_branch = t () => (float[2, 3] a) { a = MatMul(x, w) },
            else_branch = e () => (float[2, 3] b) { m = MatMul(x, w) b = Neg(m) }
        > }"""
    found = format_onnx.summary(parsed(text, tmp_path, w=np.ones((4, 3), np.float32)))
    assert found.operations == {"If": 1, "MatMul": 2, "Neg": 1}
    assert (found.precision, found.parameters) == ({"fp32": 2}, 12)


def external(tmp_path, location="weights.bin"):
    """A model whose weight lies in a file of its own."""
    model = onnx.load(models.onnx_file(models.ConvNet, tmp_path / "whole.onnx"))
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin",
              size_threshold=0)  # fmt: skip
    moved = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in moved.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (folder / "model.onnx").write_bytes(moved.SerializeToString())
    return folder / "model.onnx"


def test_external_data_belongs_to_the_model(tmp_path):
    path = external(tmp_path)
    assert format_onnx.files(path) == (path, path.with_name("weights.bin"))
    found = models.artifact("onnx", path)
    assert format_onnx.summary(found).parameters == 4 * 27 + 4 + 4 * 5 + 5
    assert format_onnx.load(found).graph.initializer[0].raw_data


@pytest.mark.parametrize("harm", ["missing", "truncated", "outside", "absolute"])
def test_external_data_that_cannot_be_had_is_bad_input(harm, tmp_path):
    location = {"outside": "../weights.bin", "absolute": str(tmp_path / "weights.bin")}
    path = external(tmp_path, location.get(harm, "weights.bin"))
    data = path.with_name("weights.bin")
    (tmp_path / "weights.bin").write_bytes(data.read_bytes())
    if harm == "missing":
        data.unlink()
    elif harm == "truncated":
        data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(OptkitError, match=r"weights\.bin") as caught:
        models.artifact("onnx", path)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "tensor '" in caught.value.message


def test_large_models_are_saved_beside_their_data_with_equal_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(format_onnx, "INLINE_LIMIT", 100)
    source = models.onnx_file(models.ConvNet, tmp_path / "whole.onnx")
    contents = []
    for name in ("a", "b"):
        path = tmp_path / name / "model.onnx"
        path.parent.mkdir()
        for _ in range(2):  # a second save replaces the data, never appends
            format_onnx.save(onnx.load(source), path)
        assert len(format_onnx.files(path)) == (
            2 if path.with_name("model.onnx.data").exists() else 1
        )
        contents.append([file.read_bytes() for file in sorted(path.parent.iterdir())])
    assert contents[0] == contents[1]


def test_an_invalid_model_is_not_saved_in_silence(tmp_path):
    model = onnx.load(models.onnx_file(models.ConvNet, tmp_path / "whole.onnx"))
    del model.graph.input[:]
    with pytest.raises(OptkitError, match="not valid"):
        format_onnx.save(model, tmp_path / "model.onnx")


def test_a_graph_is_read_and_written_as_it_was(tmp_path):
    """
    Given: opset 17, weights in a file beside the model
    Result: the same network, the weights inside
    """
    path = external(tmp_path)
    graph = format_onnx.read_graph(models.artifact("onnx", path))
    format_onnx.write_graph(graph, tmp_path / "made.onnx")
    assert format_onnx.files(tmp_path / "made.onnx") == (tmp_path / "made.onnx",)
    given, made = onnx.load(path), onnx.load(tmp_path / "made.onnx")
    held = [{t.name: numpy_helper.to_array(t) for t in m.graph.initializer} for m in (given, made)]
    assert held[0].keys() == held[1].keys()
    assert all(np.array_equal(array, held[1][name]) for name, array in held[0].items())


def test_shapes_are_inferred_through_small_weights_that_lie_outside(tmp_path, monkeypatch):
    """
    Given: a model too large for one file, the shape of a Reshape among its weights
    Result: the shape of the result is known, the large weight still lies outside
    """
    text = """g (float[6] x, float[30, 40] u) => (float[a, b] y, float[30, 40] z) {
        y = Reshape(x, s) z = Add(u, w) }"""
    weight = np.arange(1200, dtype=np.float32).reshape(30, 40)
    parsed(text, tmp_path, s=np.array([2, 3]), w=weight)
    folder = tmp_path / "outside"
    folder.mkdir()
    onnx.save(onnx.load(tmp_path / "model.onnx"), folder / "model.onnx", save_as_external_data=True,
              size_threshold=0, location="weights.bin")  # fmt: skip
    monkeypatch.setattr(format_onnx, "INLINE_LIMIT", 100)
    graph = format_onnx.read_graph(models.artifact("onnx", folder / "model.onnx"))
    (shaped,) = (node for node in graph.graph if node.op_type == "Reshape")
    assert list(shaped.outputs[0].shape) == [2, 3]
    assert isinstance(graph.graph.initializers["w"].const_value, onnx_ir.ExternalTensor)
    format_onnx.write_graph(graph, tmp_path / "made.onnx")
    assert len(format_onnx.files(tmp_path / "made.onnx")) == 2
    made = {
        t.name: numpy_helper.to_array(t)
        for t in onnx.load(tmp_path / "made.onnx").graph.initializer
    }
    np.testing.assert_array_equal(made["w"], weight)
    np.testing.assert_array_equal(made["s"], [2, 3])


@pytest.mark.slow
def test_weights_beyond_what_a_protobuf_holds_are_rewritten(tmp_path):
    """
    Given: a table of 2.2 GB, zero but for its last row, and Mul → Mul after its Gather
    Result: one Mul; the table as it was
    """
    from optkit.rewrite import scale_shift

    rows, columns = 550_000, 1000
    text = f"""g (int64[1] i) => (float[1, {columns}] y) {{
        r = Gather(w, i) m = Mul(r, two) y = Mul(m, three) }}"""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    for name, number in (("two", 2), ("three", 3)):
        model.graph.initializer.append(numpy_helper.from_array(np.float32(number), name))
    table = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT,
                                        dims=[rows, columns],
                                        data_location=TensorProto.EXTERNAL)  # fmt: skip
    size = rows * columns * 4
    for key, value in (("location", "w.bin"), ("offset", 0), ("length", size)):
        table.external_data.add(key=key, value=str(value))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    row = np.arange(columns, dtype=np.float32)
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(size)
        file.seek(size - row.nbytes)
        file.write(row.tobytes())
    given = models.artifact("onnx", tmp_path / "model.onnx")
    folder = tmp_path / "made"
    folder.mkdir()
    outcome = edit_graph(given, scale_shift.fuse, folder)
    made = models.artifact("onnx", outcome.path)
    assert format_onnx.summary(made).operations == {"Gather": 1, "Mul": 1}
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"i": np.array([rows - 1])})
    np.testing.assert_array_equal(y[0], row * 6)


@pytest.mark.parametrize("harm", ["no such input", "no such operator", "output of nothing"])
def test_an_invalid_graph_is_bad_input(harm, tmp_path):
    path = models.onnx_file(models.ConvNet, tmp_path / "model.onnx")
    model = onnx.load(path)
    if harm == "no such input":
        model.graph.node[-1].input[0] = "nobody"
    elif harm == "no such operator":
        model.graph.node[-1].op_type = "Nothing"
    else:
        model.graph.node[-1].output[0] = "unread"
        model.graph.output[0].name = model.graph.node[-1].output[0] + "_too"
    onnx.save(model, path)
    with pytest.raises(OptkitError, match="valid") as caught:
        format_onnx.read_graph(models.artifact("onnx", path))
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_a_model_from_the_future_is_bad_input(tmp_path):
    path = models.onnx_file(models.ConvNet, tmp_path / "model.onnx")
    model = onnx.load(path)
    model.opset_import[0].version = 999
    onnx.save(model, path)
    with pytest.raises(OptkitError, match="opset 999") as caught:
        models.artifact("onnx", path)
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_a_sequence_keeps_its_type(tmp_path):
    """
    Given: opset 12, a sequence between two nodes, of no stated type
    Result: read, tidied and written, ONNX Runtime still takes it
    """
    text = "g (float[6] x) => (int64 y) { s = SplitToSequence(x) y = SequenceLength(s) }"
    model = onnx.parser.parse_model(f'<ir_version: 7, opset_import: ["": 12]> {text}')
    onnx.save(model, tmp_path / "model.onnx")
    graph = format_onnx.read_graph(models.artifact("onnx", tmp_path / "model.onnx"))
    format_onnx.write_graph(format_onnx.tidy_graph(graph), tmp_path / "made.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "made.onnx"))
    assert session.run(None, {"x": np.zeros(6, np.float32)})[0] == 6
