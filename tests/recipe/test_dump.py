from optkit.recipe.dump import dump
from optkit.recipe.gates import Bound
from optkit.recipe.load import parse
from optkit.recipe.model import (
    Benchmark,
    Data,
    Dataset,
    InputSpec,
    Model,
    PassSpec,
    Recipe,
)


def test_the_example_comes_back_as_it_was_written(example: str) -> None:
    recipe = parse(example, "recipe.yaml").recipe
    text = dump(recipe, header="yaml-language-server: $schema=schema.json")
    assert parse(text, "again.yaml").recipe == recipe
    assert text == (
        "# yaml-language-server: $schema=schema.json\n"
        "optkit: 1\n"
        "model:\n"
        "  path: model.pt\n"
        "  inputs: [{name: image, shape: [1, 3, 32, 32], dtype: float32, layout: NCHW}]\n"
        "  factory: package.module:make\n"
        "data:\n"
        "  calibration: {path: data/calibration.npz}\n"
        "  validation: {path: data/validation.npz, labels: label, metric: accuracy}\n"
        "to: ir\n"
        "precision: int8\n"
        "passes:\n"
        "  - fuse_batchnorm\n"
        "  - quantize_int8: {preset: mixed, subset_size: 300}\n"
        "benchmark: {scenarios: [single-stream, offline]}\n"
        "gates: {accuracy_drop: {max: 0.01}, speedup: {min: 1.5}, size_ratio: {max: 0.3}}\n"
    )


def test_a_short_recipe_stays_short() -> None:
    recipe = Recipe(optkit=1, model=Model(path="m.onnx"), to=("ir",))
    assert dump(recipe) == "optkit: 1\nmodel: {path: m.onnx}\nto: ir\n"


def test_text_that_looks_like_something_else_comes_back_as_text() -> None:
    words = ["1e-3", "on", "yes", "null", "~", "0o17", "12", "1:30", "2024-01-01", "?", "- x"]
    words += [
        "a: b",
        "# c",
        "'",
        '"',
        "é ü",
        "true",
        ".inf",
        "a\nb",
        "*x",
        "&y",
        "!z",
        " ",
        "${x",
        "$${env:HOME}",
    ]
    for word in words:
        data = Data(calibration=Dataset(path="data.npz", labels=word))
        recipe = Recipe(optkit=1, model=Model(path="m.onnx"), data=data, to=("onnx",))
        assert parse(dump(recipe), "recipe.yaml").recipe == recipe


def test_every_section_comes_back() -> None:
    recipe = Recipe(
        optkit=1,
        model=Model(
            path="model.onnx",
            inputs=tuple(
                InputSpec(name=name, shape=("?", "1..64", 8), dtype="int64")
                for name in ("input_ids", "attention_mask", "token_type_ids")
            ),
        ),
        data=Data(
            calibration=Dataset(
                path="images",
                resize=(224, 200),
                mean=(0.485, 1e-7, 1.0),
                std=(1e300,),
                layout="NHWC",
                scale=1 / 255,
            ),
            validation=Dataset(path="package.samples:make", output="logits"),
        ),
        to=("onnx", "ir"),
        passes=(PassSpec(name="convert_fp16", options={"keep_io": False}),),
        benchmark=Benchmark(enabled=False),
        gates={"cosine": Bound(min=0.9, max=1.0)},
        seed=3,
    )
    text = dump(recipe, header="one\n# two")
    assert parse(text, "recipe.yaml").recipe == recipe
    assert text.startswith("# one\n# two\noptkit: 1\n")
    assert "\nbenchmark: false\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_no_passes_is_not_the_same_as_passes_to_be_planned() -> None:
    recipe = Recipe(optkit=1, model=Model(path="m.onnx"), to=("ir",), passes=())
    assert dump(recipe).endswith("passes: []\n")
    assert parse(dump(recipe), "recipe.yaml").recipe.passes == ()
