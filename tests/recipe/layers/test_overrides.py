import pytest

from optkit.core.errors import OptkitError
from optkit.recipe.gates import Bound
from optkit.recipe.load import parse, problems


def test_values_are_replaced_and_added(example: str) -> None:
    recipe = parse(
        example,
        "recipe.yaml",
        [
            "benchmark.seconds=5",
            "to=[onnx, ir]",
            "passes.1.quantize_int8.subset_size=100",
            "passes.0.fuse_batchnorm={}",
            "gates.cosine.min=0.9",
            "seed=7",
            "model.inputs.0.shape=['?', 3, 8, 8]",
        ],
    ).recipe
    assert recipe.benchmark.seconds == 5
    assert recipe.to == ("onnx", "ir")
    assert recipe.passes is not None
    assert [step.options for step in recipe.passes] == [{}, {"preset": "mixed", "subset_size": 100}]
    assert recipe.gates["cosine"] == Bound(min=0.9)
    assert recipe.seed == 7
    assert recipe.model.inputs[0].shape == ("?", 3, 8, 8)


def test_a_pass_without_options_gets_some() -> None:
    text = "optkit: 1\nmodel: {path: m.pt}\npasses: [quantize_int8]\n"
    recipe = parse(text, "recipe.yaml", ["passes.0.quantize_int8.subset_size=9"]).recipe
    assert recipe.passes is not None
    assert recipe.passes[0].options == {"subset_size": 9}


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("seed", "not of the form a.b=value", "write it as --set benchmark.seconds=5; "),
        ("a..b=1", "not of the form a.b=value", "write it as --set "),
        ("seed=[1", "not valid YAML: the text ends inside a bracket or a quote", "close it"),
        ("seed=x", "'seed' must be a whole number, found 'x'", "seed: for anything random"),
        ("seed=", "'seed' has no value", "give it one"),
        ("benchmark.second=3", "unknown key 'second' in 'benchmark'", "did you mean 'seconds'?"),
        ("benchmrk.seconds=3", "unknown key 'benchmrk' in the recipe", "did you mean 'benchmark'?"),
        ("to.0=onnx", "'to' has nothing inside, it is 'ir'", "set it as a whole"),
        ("passes.5=simplify", "'passes' has no entry '5'", "it has 0 to 1"),
        ("passes.x=simplify", "'passes' has no entry 'x'", "it has 0 to 1"),
        (
            "passes.1.quantize_int8.subset_size=0",
            "'passes[1].quantize_int8.subset_size' must be at least 1, found 0",
            "subset_size: ",
        ),
        ("optkit=2", "version 2 of the recipe's form needs a newer optkit", "pip install"),
    ],
)
def test_a_mistake_names_the_override(example: str, setting: str, message: str, hint: str) -> None:
    with pytest.raises(OptkitError) as caught:
        parse(example, "recipe.yaml", [setting])
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith(f"--set {setting}: {message}")
    assert caught.value.hint.startswith(hint)
    assert len(problems(example, [setting])) == 1


def test_a_mistake_of_the_file_comes_before_one_of_an_override(example: str) -> None:
    found = problems(example + "seeed: 1\n", ["precision=int9"])
    assert [(one.line, one.override) for one in found] == [(16, ""), (0, "--set precision=int9")]
