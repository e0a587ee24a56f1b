from itertools import pairwise

import pytest

from optkit.catalogue import all_passes, find_pass, format_names, reachable
from optkit.core.errors import Exit, OptkitError
from optkit.planner import Plan, Route, baseline, make_plan
from optkit.recipe.load import parse
from optkit.validate.bounds import BOUNDS

GRAPH = [
    "simplify", "fuse_batchnorm", "fuse_scale_shift", "fuse_linear", "fuse_grouped_conv",
    "optimize_strides",
]  # fmt: skip


def plan(source: str, body: str) -> Plan:
    return make_plan(parse(f"optkit: 1\nmodel: {{path: m.pt}}\n{body}\n", "recipe.yaml"), source)


def routes(source: str, body: str) -> list[list[str]]:
    (target,) = plan(source, body).targets
    return [[step.name for step in route.steps] for route in target.routes]


def check(route: Route, source: str, goal: str) -> None:
    """A route begins at the source, ends in the goal, and every step takes what it is given."""
    here = source
    for step in route.steps:
        item = find_pass(step.name)
        assert step.takes == here
        assert step.takes in item.takes
        assert step.gives == (item.gives or step.takes)
        here = step.gives
    assert here == goal


def test_routes_are_tried_cheapest_first():
    assert routes("torchscript", "to: ir") == [
        ["emit_ir"],
        ["export_onnx", "emit_ir"],
        ["export_program", "emit_ir"],
        ["export_program", "export_onnx", "emit_ir"],
    ]
    (target,) = plan("torchscript", "to: ir").targets
    costs = [route.cost for route in target.routes]
    assert costs == sorted(costs) == [1, 4, 5, 8]
    assert target.routes[1].formats == "torchscript → onnx → ir"


def test_a_source_that_is_there_already_needs_no_step():
    assert routes("ir", "to: ir") == [[]]
    assert plan("ir", "to: ir").targets[0].routes[0].formats == ""


def test_passes_of_a_formats_own_are_added():
    assert routes("torchscript", "to: onnx")[0] == ["export_onnx", *GRAPH]
    assert routes("torchscript", "to: onnx\nprecision: int8")[0] == [
        "export_onnx", *GRAPH, "quantize_int8",
    ]  # fmt: skip


def test_a_precision_is_made_in_the_format_that_is_wanted():
    assert routes("onnx", "to: ir\nprecision: int8")[0] == ["emit_ir", "quantize_int8"]
    assert routes("torchscript", "to: ir\nprecision: int8")[0] == ["emit_ir", "quantize_int8"]


def test_conversions_come_between_written_passes():
    body = "to: ir\npasses: [fuse_batchnorm, simplify, quantize_int8]"
    found = routes("torchscript", body)
    assert found[0] == ["fuse_batchnorm", "export_onnx", "simplify", "emit_ir", "quantize_int8"]
    assert ["fuse_batchnorm", "export_onnx", "simplify", "quantize_int8", "emit_ir"] in found
    inserted = [step.inserted for step in plan("torchscript", body).targets[0].routes[0].steps]
    assert inserted == [False, True, False, True, False]


def test_a_written_conversion_keeps_its_options():
    (target,) = plan("torchscript", "to: ir\npasses: [export_onnx: {opset: 17}]").targets
    first = target.routes[0].steps[0]
    assert (first.name, dict(first.options), first.inserted) == (
        "export_onnx",
        {"opset": 17},
        False,
    )
    assert [step.name for step in target.routes[0].steps] == ["export_onnx", "emit_ir"]


def test_written_passes_are_all_that_is_done():
    assert routes("torchscript", "to: onnx\npasses: [fuse_batchnorm]")[0] == [
        "fuse_batchnorm", "export_onnx",
    ]  # fmt: skip


def test_without_a_goal_the_passes_end_it():
    (target,) = plan("torchscript", "passes: [simplify, convert_fp16]").targets
    assert (target.format, target.precision) == ("onnx", "fp16")
    assert routes("ir", "passes: [convert_fp16]") == [["convert_fp16"]]


def test_a_pass_may_stand_twice():
    assert routes("onnx", "passes: [simplify, fuse_batchnorm, simplify]")[0] == [
        "simplify", "fuse_batchnorm", "simplify",
    ]  # fmt: skip


def test_several_targets_keep_their_order():
    found = plan("torchscript", "to: [onnx, ir]\nprecision: fp16").targets
    assert [(target.format, target.precision) for target in found] == [
        ("onnx", "fp16"), ("ir", "fp16"),
    ]  # fmt: skip


def possible(source: str, precision: str, goal: str) -> bool:
    """Whether conversions lead there, and some pass makes the precision there."""
    makers = {name for item in all_passes() if item.precision == precision for name in item.takes}
    return goal in reachable({source}) and (precision == "fp32" or goal in makers)


@pytest.mark.parametrize("goal", format_names())
@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("source", ["module", "torchscript", "exported", "onnx", "ir"])
def test_every_wish_is_planned_or_refused_in_words(source, precision, goal):
    body = f"to: {goal}\nprecision: {precision}"
    if not possible(source, precision, goal):
        with pytest.raises(OptkitError, match=goal) as caught:
            plan(source, body)
        assert caught.value.exit_code is Exit.BAD_INPUT
        assert caught.value.hint
        return
    (target,) = plan(source, body).targets
    assert target.routes
    for route in target.routes:
        check(route, source, goal)
        made = [find_pass(step.name).precision for step in route.steps]
        assert [word for word in made if word] == ([] if precision == "fp32" else [precision])
    assert all(one.cost <= two.cost for one, two in pairwise(target.routes))


@pytest.mark.parametrize(
    ("source", "body", "told", "hint"),
    [
        ("ir", "to: onnx", "no route leads from ir to onnx", "from ir optkit reaches: ir"),
        ("onnx", "to: torchscript", "no route leads from onnx to torchscript", "ir, onnx"),
        (
            "ir",
            "passes: [fuse_batchnorm]",
            "'fuse_batchnorm' takes torchscript or onnx, which cannot be made from ir",
            "reaches: ir",
        ),
        (
            "torchscript",
            "to: torchscript\nprecision: int8",
            "no pass makes int8 models in the format torchscript",
            "int8 is made in: ir, onnx",
        ),
    ],
)
def test_what_cannot_be_reached_is_told_with_what_can(source, body, told, hint):
    with pytest.raises(OptkitError) as caught:
        plan(source, body)
    assert told in caught.value.message
    assert caught.value.message.startswith("recipe.yaml:")
    assert hint in caught.value.hint


def test_the_baseline_is_the_route_in_fp32():
    (target,) = plan("torchscript", "to: onnx\nprecision: int8").targets
    assert [step.name for step in baseline(target.routes[0]).steps] == ["export_onnx", *GRAPH]
    (plain,) = plan("torchscript", "to: onnx").targets
    assert baseline(plain.routes[0]) == plain.routes[0]


def test_the_number_of_routes_is_bounded():
    assert len(routes("module", "to: ir\npasses: [simplify, quantize_int8]")) <= 12
