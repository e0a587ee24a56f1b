import models
import neighbouring
import numpy as np
import onnx
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbouring import rewritten

from optkit.rewrite.scale_shift import fuse

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def linear(kind, draw, *, groups=1, padded=False):
    """The facts, the weights and the input's shape of a linear operation of 4 → 6 channels."""
    if not kind.startswith("Conv"):
        shape = ("n", 4) if kind == "Gemm" else ("n", 3, 4)
        return {}, {"w": draw.normal(size=(4, 6))}, shape
    weight = (6, 4 // groups, 2, 2) if kind == "Conv" else (4, 6 // groups, 2, 2)
    facts = {"group": groups, "pads": [1, 1, 0, 0] if padded else [0] * 4}
    return facts, {"w": draw.normal(size=weight), "c": draw.normal(size=6)}, ("n", 4, 5, 6)


def chain(steps, source, result, channels, trailing, draw):
    """Nodes and constants of a chain; a step is its kind, whether per channel, and swapped."""
    nodes, weights, now = [], {}, source
    for at, (kind, per_channel, swapped) in enumerate(steps):
        shape = (channels, *[1] * trailing) if per_channel else ()
        weights[f"k{at}"] = draw.uniform(0.5, 1.5, shape) * draw.choice([-1, 1], shape)
        then = result if at == len(steps) - 1 else f"{source}{at}"
        inputs = f"k{at} {now}" if swapped and kind != "Div" else f"{now} k{at}"
        nodes.append((kind, inputs, then, {}))
        now = then
    return nodes, weights


def beside(kind, side, steps, *, groups=1, padded=False, seed=0, **options):
    draw = np.random.default_rng(seed)
    facts, weights, shape = linear(kind, draw, groups=groups, padded=padded)
    trailing = 2 if kind.startswith("Conv") else 0
    inputs = "w c" if "c" in weights else "w"
    if side == "after":
        nodes, more = chain(steps, "h", "y", 6, trailing, draw)
        nodes = [(kind, f"x {inputs}", "h", facts), *nodes]
    else:
        nodes, more = chain(steps, "x", "h", 4, trailing, draw)
        nodes = [*nodes, (kind, f"h {inputs}", "y", facts)]
    return neighbouring.model(nodes, {"x": shape}, ["y"], weights | more, **options)


NORMALISE = [("Sub", True, False), ("Div", True, False), ("Mul", True, True), ("Add", False, True)]


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
def test_a_chain_on_either_side(kind, side, opset):
    """
    Given: Sub → Div → Mul → Add before or after a linear operation
    Result: the linear operation alone; an Add more for a MatMul of three dimensions
    """
    done, left = rewritten(beside(kind, side, NORMALISE, opset=opset), fuse)
    assert done.changed == 1
    assert left == ({"MatMul": 1, "Add": 1} if kind == "MatMul" else {kind: 1})


STEP = st.tuples(st.sampled_from(["Mul", "Add", "Sub", "Div"]), st.booleans(), st.booleans())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from([*KINDS, "Relu"]),
    side=st.sampled_from(["before", "after"]),
    steps=st.lists(STEP, min_size=1, max_size=5),
    groups=st.sampled_from([1, 2]),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_stay_equal(kind, side, steps, groups, padded, seed):
    if kind == "Relu":
        nodes, weights = chain(steps, "x", "y", 4, 0, np.random.default_rng(seed))
        given = neighbouring.model(nodes, {"x": ("n", 3, 4)}, ["y"], weights)
    else:
        given = beside(kind, side, steps, groups=groups, padded=padded, seed=seed)
    _, left = rewritten(given, fuse)
    assert left["Mul"] + left["Div"] + left["Add"] + left["Sub"] <= max(2, len(steps) - 1)
    if side == "after" and kind in {"Conv", "ConvTranspose", "Gemm"}:
        assert left == {kind: 1}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float16, 1e-2)])
def test_other_floats(dtype, tolerance):
    given = beside("Gemm", "after", NORMALISE, dtype=dtype)
    done, left = rewritten(given, fuse, tolerance=tolerance)
    assert (done.changed, left) == (1, {"Gemm": 1})


def test_without_a_linear_operation():
    """
    Given: Sub → Div → Mul → Add → Relu
    Result: Mul → Add → Relu
    """
    nodes, weights = chain(NORMALISE, "x", "h", 4, 2, np.random.default_rng(0))
    given = neighbouring.model(
        [*nodes, ("Relu", "h", "y", {})], {"x": ("n", 4, "a", "b")}, ["y"], weights
    )
    done, left = rewritten(given, fuse)
    assert (done.changed, left) == (1, {"Mul": 1, "Add": 1, "Relu": 1})


@pytest.mark.parametrize(
    "steps",
    [NORMALISE[:2], NORMALISE[2:], NORMALISE, [("Mul", False, True), ("Sub", False, True)]],
    ids=["Sub-Div", "Mul-Add", "all", "scalars"],
)
@pytest.mark.parametrize(("kind", "padded"), [("Conv", True), ("ConvTranspose", False)])
def test_before_padding_the_scale_folds_and_the_shift_stays(kind, padded, steps):
    """
    Given: Mul(s) → Add(t) → padded Conv(W)
    Result: Add(t/s) → padded Conv(W·s)
    """
    done, left = rewritten(beside(kind, "before", steps, groups=2, padded=padded), fuse)
    assert (done.changed, left) == (1, {"Add": 1, kind: 1})
    assert done.left == {"a shift before padding or ConvTranspose is not exact at the border": 1}


def test_before_padded_and_other_readers():
    """
    Given: Mul → Add read by a padded Conv and by one that is not
    Result: one Add, read by both
    """
    draw = np.random.default_rng(0)
    nodes = [("Mul", "x s", "p", {}), ("Add", "p t", "q", {}), ("Conv", "q w", "y", {}),
             ("Conv", "q w", "z", {"pads": [1, 1, 1, 1]})]  # fmt: skip
    weights = {"s": draw.uniform(1, 2, (4, 1, 1)), "t": draw.normal(size=(4, 1, 1))}
    weights["w"] = draw.normal(size=(6, 4, 2, 2))
    given = neighbouring.model(nodes, {"x": ("n", 4, 5, 5)}, ["y", "z"], weights)
    done, left = rewritten(given, fuse)
    assert (done.changed, left) == (1, {"Add": 1, "Conv": 2})


@pytest.mark.parametrize("scale", [0.0, 1e-38])
def test_a_shift_that_cannot_be_divided_by_its_scale_stays(scale):
    nodes = [("Mul", "x s", "p", {}), ("Add", "p t", "q", {}),
             ("Conv", "q w", "y", {"pads": [1, 1, 1, 1]})]  # fmt: skip
    weights = {"s": np.array([1, scale]).reshape(2, 1, 1), "t": np.full((2, 1, 1), 7e3)}
    weights["w"] = np.ones((3, 2, 2, 2))
    done, _ = rewritten(neighbouring.model(nodes, {"x": ("n", 2, 5, 5)}, ["y"], weights), fuse)
    assert done.changed == 0


def test_into_all_the_readers():
    """
    Given: Mul → Add read by three MatMul with a bias each
    Result: three MatMul with a bias each
    """
    draw = np.random.default_rng(0)
    nodes = [("Mul", "x g", "p", {}), ("Add", "p b", "q", {})]
    weights = {"g": draw.normal(size=4), "b": draw.normal(size=4)}
    for at in range(3):
        nodes += [("MatMul", f"q w{at}", f"m{at}", {}), ("Add", f"m{at} c{at}", f"y{at}", {})]
        weights |= {f"w{at}": draw.normal(size=(4, 6)), f"c{at}": draw.normal(size=6)}
    given = neighbouring.model(nodes, {"x": ("n", 3, 4)}, ["y0", "y1", "y2"], weights)
    done, left = rewritten(given, fuse)
    assert (done.changed, left) == (1, {"MatMul": 3, "Add": 3})


def test_shared_weights_are_kept_for_the_other():
    draw = np.random.default_rng(0)
    nodes = [("Gemm", "x w", "h", {}), ("Mul", "h k", "y", {}), ("Gemm", "x w", "z", {})]
    weights = {"w": draw.normal(size=(4, 6)), "k": draw.normal(size=6)}
    given = neighbouring.model(nodes, {"x": ("n", 4)}, ["y", "z"], weights)
    done, left = rewritten(given, fuse)
    assert (done.changed, left) == (1, {"Gemm": 2})


@pytest.mark.parametrize(
    ("nodes", "outputs", "fed", "shape", "why"),
    [
        ([("Mul", "h k", "y", {})], ["y", "h"], [], (6,), "others read the value between"),
        ([("Mul", "h k", "y", {})], ["y"], ["w"], (6,),
         "the weights beside it are computed or can be fed"),
        ([("Mul", "h k", "y", {})], ["y"], [], (3, 1),
         "its values are not one per channel of the linear operation"),
        ([("Mul", "h k", "y", {})], ["y"], [], (2, 1, 1, 6),
         "its values are not one per channel of the linear operation"),
        ([("Mul", "h k", "y", {})], ["y"], ["k"], (6,), None),
        ([("Div", "k h", "y", {})], ["y"], [], (6,), None),
        ([("Relu", "h", "r", {}), ("Mul", "r k", "y", {})], ["y"], [], (6,), None),
    ],
)  # fmt: skip
def test_left_alone(nodes, outputs, fed, shape, why):
    draw = np.random.default_rng(0)
    weights = {"w": draw.normal(size=(4, 6)), "k": draw.uniform(0.5, 1, shape)}
    given = neighbouring.model(
        [("MatMul", "x w", "h", {}), *nodes], {"x": (1, 3, 4)}, outputs, weights, fed=fed
    )
    done, _ = rewritten(given, fuse)
    assert (done.changed, done.left) == (0, {why: 1} if why else {})


def test_a_chain_that_widens_its_input_is_not_folded_on():
    """
    Given: Mul of one channel by three values, then a Conv on three channels
    Result: the same
    """
    draw = np.random.default_rng(0)
    weights = {"k": draw.uniform(1, 2, (3, 1, 1)), "w": draw.normal(size=(6, 3, 2, 2))}
    nodes = [("Mul", "x k", "h", {}), ("Conv", "h w", "y", {})]
    done, _ = rewritten(neighbouring.model(nodes, {"x": ("n", 1, 5, 5)}, ["y"], weights), fuse)
    assert done.changed == 0


def test_a_division_by_zero_stays():
    nodes = [("Gemm", "x w", "h", {}), ("Div", "h k", "y", {})]
    weights = {"w": np.ones((4, 2)), "k": np.array([1.0, 0.0])}
    given = neighbouring.model(nodes, {"x": ("n", 4)}, ["y"], weights)
    done = fuse(onnx_ir.from_proto(given))
    assert (done.changed, done.left) == (0, {"folded weights would not fit float32": 1})


def test_constants_do_not_outgrow_those_they_replace():
    """
    Given: Mul by a column, then Mul by a row
    Result: the same
    """
    nodes = [("Mul", "x a", "h", {}), ("Mul", "h b", "y", {})]
    weights = {"a": np.arange(1.0, 6.0)[:, None], "b": np.arange(1.0, 8.0)}
    done, _ = rewritten(neighbouring.model(nodes, {"x": (5, 7)}, ["y"], weights), fuse)
    assert done.changed == 0


def test_whole_numbers_stay():
    nodes = [("Div", "x a", "h", {}), ("Mul", "h a", "y", {})]
    given = neighbouring.model(nodes, {"x": (5,)}, ["y"], {"a": np.array([2])}, dtype=np.int64)
    assert fuse(onnx_ir.from_proto(given)).changed == 0


def test_inside_a_branch():
    """
    Given: Gemm → Mul in one branch of an If, both constants outside it
    Result: Gemm in it
    """
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    branches = {
        f"{word}_branch": onnx.helper.make_graph(nodes, word, [], [value(out, 1, None)])
        for word, out, nodes in [
            ("then", "t", [make("Gemm", ["x", "w"], ["h"]), make("Mul", ["h", "k"], ["t"])]),
            ("else", "u", [make("Gemm", ["x", "w"], ["u"])]),
        ]
    }
    nodes = [("ReduceSum", "x", "s", {"keepdims": 0}), ("Greater", "s z", "c", {}),
             ("If", "c", "y", branches)]  # fmt: skip
    weights = {"w": np.ones((4, 2)), "k": np.array([2.0, 3.0]), "z": np.array(-1e9)}
    done, left = rewritten(neighbouring.model(nodes, {"x": (3, 4)}, ["y"], weights), fuse)
    assert (done.changed, left["Gemm"], left["Mul"]) == (1, 2, 0)


def test_the_pass(apply, tmp_path):
    """
    Given: Conv → Sub → Div → Mul → Add
    Result: Conv
    """
    path = tmp_path / "source.onnx"
    onnx.save(beside("Conv", "after", NORMALISE), path)
    done = apply("fuse_scale_shift", models.artifact("onnx", path), twice=True)
    assert done.after == {"Conv": 1}
    assert done.outcome.details == {"changed": 1}
