"""The `tune` section of a recipe."""

import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.recipe.dump import dump
from optkit.recipe.gates import GATES, Bound
from optkit.recipe.load import parse
from optkit.recipe.model import Recipe
from optkit.recipe.tuning import STATIC, TIMED, Tune, parse_constraint

HEAD = "optkit: 1\nmodel: {path: m.pt}\nto: ir\n"


def read(text: str) -> Recipe:
    return parse(HEAD + text, "recipe.yaml").recipe


def test_a_whole_section() -> None:
    tune = read(
        "tune:\n"
        "  objective: throughput\n"
        "  variants: [source, recipe, ir-int8]\n"
        "  settings: {streams: [1, 2], batch: 8, hint: latency, pin: [true]}\n"
        "  constraints: {latency_p95_ms: {max: 10}, accuracy_drop: {max: 0.01}}\n"
        "  seconds: 2\n"
    ).tune
    assert tune.variants == ("source", "recipe", "ir-int8")
    assert (tune.settings.streams, tune.settings.batch) == ((1, 2), (8,))
    assert (tune.settings.hint, tune.settings.pin) == (("latency",), (True,))
    assert tune.constraints == {"latency_p95_ms": Bound(max=10), "accuracy_drop": Bound(max=0.01)}


@pytest.mark.parametrize(
    "text",
    ["", "tune: {}\n", "tune: {objective: throughput, settings: {batch: [1, 8]}}\n",
     "tune: {variants: ir-int8, constraints: {cosine: {min: 0.99}}, seconds: 1.5}\n"],
)  # fmt: skip
def test_what_is_written_reads_the_same(text: str) -> None:
    recipe = read(text)
    assert parse(dump(recipe), "recipe.yaml").recipe == recipe


def test_without_a_section_all_is_default() -> None:
    assert read("").tune == Tune()


def test_a_constraint_as_text() -> None:
    assert parse_constraint("latency_p95_ms<=10") == ("latency_p95_ms", Bound(max=10))
    assert parse_constraint(" throughput_per_s >= 1e3 ") == ("throughput_per_s", Bound(min=1000))


@pytest.mark.parametrize("text", ["cosine<=x", "cosine<1", "cosine", "nothing<=1", "cosine>=nan"])
def test_a_text_that_is_no_constraint(text: str) -> None:
    with pytest.raises(OptkitError) as error:
        parse_constraint(text)
    assert error.value.exit_code is Exit.BAD_INPUT
    assert error.value.hint


def test_what_needs_no_clock_is_a_gate_too() -> None:
    assert STATIC.keys() <= GATES.keys()
    assert not TIMED.keys() & STATIC.keys()
