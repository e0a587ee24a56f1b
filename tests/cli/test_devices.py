"""optkit devices: what people see, the document, and that peaks are measured once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from optkit.benchmark import peaks

Optkit = Callable[..., Any]

NUMBER = {"type": "number"}
OPTIONAL = {"type": ["integer", "null"]}


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


def a_list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


WORDS = a_list({"type": "string"})
HOW = {"threads": OPTIONAL, "spread": NUMBER, "busy": {"type": "boolean"},
       "kernel": {"type": "string"}}  # fmt: skip
INT8 = an_object(
    runs={"type": "boolean"}, instructions=WORDS, gain={"type": ["number", "null"]},
    told={"type": "string"},
)  # fmt: skip
DEVICE = an_object(
    device={"type": "string"},
    kind={"enum": ["physical", "virtual", "missing"]},
    name={"type": ["string", "null"]},
    precisions=WORDS,
    int8={"anyOf": [INT8, {"type": "null"}]},
    note={"type": "string"},
)
SCHEMA = an_object(
    processor=an_object(
        model={"type": "string"},
        cores={"type": "integer", "minimum": 1},
        isa=WORDS,
        speeds_up=an_object(int8=WORDS, bf16=WORDS, fp16=WORDS),
        sockets=OPTIONAL,
        threads_per_core=OPTIONAL,
        numa_nodes=OPTIONAL,
        caches=a_list(an_object(level=NUMBER, bytes=NUMBER, instances=NUMBER)),
    ),
    measured=an_object(
        peaks=a_list(an_object(precision={"type": "string"}, gops=NUMBER, **HOW)),
        copy=a_list(an_object(gb_per_s=NUMBER, **HOW)),
        refused=a_list(an_object(cause={"type": "string"})),
        failed=a_list(an_object(cause={"type": "string"})),
    ),
    runtimes=a_list(
        an_object(
            runtime={"type": "string"}, devices=a_list(DEVICE), error={"type": ["string", "null"]}
        )
    ),
)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setattr(peaks, "SECONDS", 0.1)
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))


def document(optkit: Optkit, *arguments: str) -> Any:
    ended = optkit("devices", "--json", *arguments)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    jsonschema.validate(found, SCHEMA)
    return found


def test_measured_once(optkit: Optkit) -> None:
    first = document(optkit)["measured"]
    assert {"fp32", "int8"} <= {row["precision"] for row in first["peaks"]}
    assert document(optkit, "--no-measure")["measured"] == first
    ended = optkit("devices")
    assert (ended.code, ended.err) == (0, "")
    assert "measuring" not in ended.out
    fp32 = next(row["gops"] for row in first["peaks"] if row["precision"] == "fp32")
    assert f"{fp32:,.0f} GFLOPS" in ended.out
    assert "at most" in ended.out
    assert document(optkit, "--remeasure")["measured"] != first


def test_nothing_is_measured_unasked(optkit: Optkit) -> None:
    found = document(optkit, "--no-measure")
    assert found["measured"] == {"peaks": [], "copy": [], "refused": [], "failed": []}


def test_quiet(optkit: Optkit) -> None:
    ended = optkit("devices", "-q", "--no-measure")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_contradicting_words(refused: Callable[..., None]) -> None:
    refused(
        "devices", "--remeasure", "--no-measure",
        cause="--remeasure and --no-measure contradict each other", fix="leave one out",
    )  # fmt: skip
