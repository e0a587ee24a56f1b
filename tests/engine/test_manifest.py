"""The manifest holds what its contract says, and what is written beside it does the same again."""

import json
import math
import shutil

import jsonschema
import pytest
from running import DIGITS, cached, content

from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import from_flags, load_recipe
from optkit.recipe.save import save

NUMBER = {"type": "number"}
MAYBE = {"type": ["number", "null"]}
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
SHA = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}


def of(**keys):
    """An object that has at least these keys."""
    return {"type": "object", "required": list(keys), "properties": keys}


def rows(**keys):
    return {"type": "array", "items": of(**keys)}


TENSORS = rows(name=TEXT, shape={"type": "array"}, dtype=TEXT)
RATIO = of(value=NUMBER, ci95={"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
           against=TEXT)  # fmt: skip
SAMPLES = of(origin={"enum": ["given", "synthesised"]}, source=TEXT, samples=COUNT, sha256=TEXT)
MANIFEST = of(
    schema=TEXT,
    status={"enum": ["ok", "gated", "failed"]},
    model=of(path=TEXT, format=TEXT, sha256=SHA, bytes=COUNT, inputs=TENSORS, outputs=TENSORS),
    data=of(calibration=SAMPLES, validation=SAMPLES, synthesised={"type": "array"},
            warnings={"type": "array", "items": TEXT}),
    seed=COUNT,
    routes=of(taken={"type": "array", "items": TEXT}, refused=rows(route=TEXT, cause=TEXT)),
    steps=rows(
        **{"pass": TEXT}, options={"type": "object"}, seconds=NUMBER,
        cached={"type": "boolean"}, changed={"type": "boolean"},
        reason={"type": ["string", "null"]}, details={"type": "object"},
        artifact=of(format=TEXT, sha256=SHA, bytes=COUNT),
    ),
    artifacts=rows(
        path=TEXT, format=TEXT, sha256=SHA, bytes=COUNT, size_ratio=NUMBER, samples=TEXT,
        network=of(parameters=COUNT, operations=COUNT),
        precision=of(requested=TEXT, achieved=COUNTS,
                     by_operation={"additionalProperties": COUNTS}),
    ),
    validation=rows(
        artifact=TEXT, data={"enum": ["given", "synthesised"]}, samples=COUNT,
        outputs=rows(name=TEXT, max_abs=MAYBE, max_rel=MAYBE, cosine=MAYBE, sqnr_db=MAYBE),
        metric={"anyOf": [{"type": "null"},
                          of(name=TEXT, reference=MAYBE, value=MAYBE, drop=MAYBE)]},
    ),
    benchmark=rows(
        artifact=TEXT, runtime=TEXT, device=TEXT, scenario=TEXT, settings={"type": "object"},
        samples=COUNT, executed=COUNTS,
        latency_ms=of(p50=NUMBER, p90=NUMBER, p95=NUMBER, p99=NUMBER, mean=NUMBER,
                      ci95={"type": "array", "items": NUMBER}),
        throughput_per_s=NUMBER, speedup={"anyOf": [{"type": "null"}, RATIO]},
    ),
    gates=rows(
        artifact=TEXT, name=TEXT, bound=TEXT, value={}, held={"type": "boolean"},
        verdict={"enum": ["held", "missed", "too noisy", "not comparable"]},
    ),
    environment=of(
        optkit=TEXT, versions={"additionalProperties": {"type": ["string", "null"]}},
        cpu=TEXT, isa={"type": "array", "items": TEXT}, cores=COUNT, os=TEXT, python=TEXT,
    ),
)  # fmt: skip
LOCK = of(
    schema=TEXT, checksum=SHA, model=SHA, data=of(calibration=TEXT, validation=TEXT), seed=COUNT,
    targets={"type": "object", "additionalProperties": of(
        path=TEXT, precision=TEXT, sha256=SHA,
        files={"type": "object", "additionalProperties": SHA},
        steps=rows(**{"pass": TEXT}, options={"type": "object"}, sha256=SHA),
    )},
    versions={"type": "object"}, machine=of(isa={"type": "array"}, os=TEXT),
)  # fmt: skip
LABELS = {"labels": "label", "metric": "accuracy"}


def strict(text):
    """JSON without NaN and Infinity."""

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def flags(**recipe):
    return from_flags({
        "optkit": 1,
        "model": {"path": str(DIGITS / "digits.pt")},
        "data": {
            "calibration": {"path": str(DIGITS / "calibration.npz")},
            "validation": {"path": str(DIGITS / "validation.npz"), **LABELS},
        },
        "to": "ir",
        "benchmark": False,
        **recipe,
    })  # fmt: skip


def read(folder):
    manifest, lock = (
        strict((folder / name).read_text()) for name in ("optkit.json", "optkit.lock")
    )
    jsonschema.validate(manifest, MANIFEST)
    jsonschema.validate(lock, LOCK)
    return manifest, lock


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits to INT8, timed; its folder and result, and the store it used."""
    place = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))
        loaded = flags(
            precision="int8", benchmark={"seconds": 0.3},
            gates={"accuracy_drop": {"max": 0.05}, "speedup": {"min": 0.01},
                   "sqnr_db": {"min": 10}},
        )  # fmt: skip
        result = run(loaded, place / "out")
    return place, result


def test_every_key_is_there(digits):
    place, result = digits
    manifest, lock = read(place / "out")
    assert manifest == json.loads(json.dumps(result.manifest))
    assert manifest["status"] == "ok"
    timed = {row["artifact"]: row for row in manifest["benchmark"]}
    timed.pop("fp32 in bf16", None)  # where the processor computes in it
    assert list(timed) == ["source", "fp32", "model.xml"]
    assert timed["model.xml"]["speedup"]["against"] == "fp32"
    assert timed["model.xml"]["speedup_vs_source"]["against"] == "source"
    assert {row["name"] for row in manifest["gates"]} == {
        "outputs", "precision", "cosine", "accuracy_drop", "speedup", "sqnr_db",
    }  # fmt: skip
    assert lock["model"] == manifest["model"]["sha256"]
    target = lock["targets"]["ir"]
    assert (target["path"], target["sha256"]) == ("model.xml", manifest["artifacts"][0]["sha256"])
    assert target["steps"][-1]["sha256"] == target["sha256"]
    assert set(target["files"]) == {"model.xml", "model.bin"}


def test_a_second_run_measures_nothing_and_remeasure_does(digits, monkeypatch):
    place, first = digits
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))
    loaded = flags(precision="int8", benchmark={"seconds": 0.3})
    again = run(loaded, place / "again").manifest
    assert all(row["cached"] for row in (*again["steps"], *again["validation"]))
    for row, known in zip(again["benchmark"], first.manifest["benchmark"], strict=True):
        assert row.pop("cached")
        assert row == {key: known[key] for key in row}
    fresh = run(loaded, place / "fresh", Wishes(remeasure=True)).manifest
    assert all(row["cached"] for row in fresh["steps"])
    assert not any(row["cached"] for row in (*fresh["validation"], *fresh["benchmark"]))


def test_the_written_recipe_gives_the_same_bytes(digits, tmp_path):
    """`recipe.yaml` of the output, run on another store: conversions spelled out, same result."""
    place, first = digits
    result = run(load_recipe(place / "out" / "recipe.yaml", ["benchmark=false"]), tmp_path / "out")
    assert cached(result) == [False] * len(result.manifest["steps"])
    assert content(tmp_path / "out") == content(place / "out")
    for key in ("pass", "options", "artifact"):
        told = [[row[key] for row in run_["steps"]] for run_ in (result.manifest, first.manifest)]
        assert told[0] == told[1]


def test_the_written_recipe_is_relative(digits, tmp_path):
    """A tree of model, data and output can be moved as a whole."""
    place, _ = digits
    for name in ("digits.pt", "calibration.npz", "validation.npz"):
        shutil.copy(DIGITS / name, tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        loaded = flags(
            model={"path": "digits.pt"}, precision="int8",
            data={"calibration": {"path": "calibration.npz"},
                  "validation": {"path": "validation.npz", **LABELS}},
        )  # fmt: skip
        save(loaded, tmp_path / "saved.yaml")
        run(loaded, tmp_path / "tree-out")
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in list(tmp_path.iterdir()):
        if path.name not in {"moved", "store"}:
            shutil.move(path, moved)
    for recipe in (moved / "tree-out" / "recipe.yaml", moved / "saved.yaml"):
        result = run(load_recipe(recipe), tmp_path / "out")
        assert all(cached(result))
        assert content(tmp_path / "out") == content(place / "out")


def test_several_targets(convert, onnx_model, tmp_path):
    convert(onnx_model, to=["onnx", "ir"])
    manifest, lock = read(tmp_path / "out")
    assert [row["path"] for row in manifest["artifacts"]] == [
        "net.onnx",
        "model.xml",
    ]  # onnx needed no change
    assert {row["artifact"] for row in manifest["gates"]} == {"net.onnx", "model.xml"}
    assert {row["path"] for row in lock["targets"].values()} == {"net.onnx", "model.xml"}
    again = run(load_recipe(tmp_path / "out" / "recipe.yaml"), tmp_path / "again")
    assert all(cached(again))
    assert content(tmp_path / "out") == content(tmp_path / "again")


def test_no_figure_is_nan(plugin, convert, onnx_model, tmp_path):
    """Details that hold NaN: the documents are still JSON."""
    details = "{'a': float('nan'), 'b': [float('inf')]}"
    plugin("odd", f"onnx.save(model, path)\nreturn Outcome(path, details={details})")
    convert(onnx_model, passes=["odd"])
    manifest, _ = read(tmp_path / "out")
    assert manifest["steps"][0]["details"] == {"a": None, "b": [None]}
    assert all(math.isfinite(row["seconds"]) for row in manifest["steps"])
