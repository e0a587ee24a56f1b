import json
from typing import Any

import jsonschema
import pytest

from optkit.catalogue import format_names, pass_names
from optkit.recipe.gates import GATES
from optkit.recipe.schema import FILE, json_schema, schema_text
from optkit.recipe.text.document import read_document


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def valid(text: str, schema: dict[str, Any]) -> bool:
    document = read_document(text)
    assert document is not None
    return jsonschema.Draft202012Validator(schema).is_valid(document.data)


def test_the_file_is_fresh() -> None:
    assert FILE.read_text() == schema_text(), "run: python -m optkit.recipe.schema"


def test_the_example_is_valid(example: str, schema: dict[str, Any]) -> None:
    assert valid(example, schema)
    assert valid("optkit: 1\nmodel: {path: a}\nto: [ir, onnx]\nbenchmark: false\n", schema)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("precision:", "precison:"),
        ("int8\n", "int9\n"),
        ("to: ir", "to: irr"),
        ("to: ir", "to:"),
        ("fuse_batchnorm", "fuse_batchnrm"),
        ("subset_size: 300", "subset_size: many"),
        ("subset_size", "subset"),
        ("speedup", "speed_up"),
        ("{min: 1.5}", "{}"),
        ("seconds: 3", "seconds: 0"),
        ("optkit: 1", "optkit: 2"),
        ("path: model.pt", "file: model.pt"),
    ],
)
def test_mistakes_are_not(example: str, schema: dict[str, Any], right: str, wrong: str) -> None:
    assert right in example
    assert not valid(example.replace(right, wrong, 1), schema)


def test_everything_of_the_catalogue_is_offered(schema: dict[str, Any]) -> None:
    assert schema["title"] == "optkit recipe"
    assert schema["properties"]["to"]["anyOf"][0]["enum"] == list(format_names())
    steps = schema["properties"]["passes"]["items"]["anyOf"]
    assert [step["const"] for step in steps if "const" in step] == list(pass_names())
    assert set(schema["properties"]["gates"]["properties"]) == set(GATES)


def test_every_object_is_closed_and_every_key_described(schema: dict[str, Any]) -> None:
    objects = [schema, *schema["$defs"].values()]
    for one in objects:
        assert one.get("additionalProperties") is False, one
        assert one["description"]
        for key, value in one.get("properties", {}).items():
            assert value.get("description"), key
    assert "null" not in json.dumps(schema)
