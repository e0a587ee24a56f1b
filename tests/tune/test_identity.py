"""Names of one and the same candidate, for real runtimes."""

from typing import Any

import pytest

from optkit.catalogue import find_runtime
from optkit.core.settings import Settings
from optkit.tune.identity import identity
from optkit.tune.space import Candidate
from optkit.tune.variants import Variant


def known_by(
    runtime: str = "openvino", word: str = "net", scenario: str = "single-stream", **settings: Any
) -> str | None:
    variant = Variant(word, "fp32", None, runtime)
    return identity(Candidate(variant, Settings(threads=2, **settings)), scenario)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "torch"])
def test_a_hint_and_the_streams_that_it_comes_to_are_one(runtime: str) -> None:
    plain = known_by(runtime, hint="latency")
    assert plain is not None
    assert plain == known_by(runtime, hint="latency", streams=1)
    assert plain == known_by(runtime)  # the hint is the scenario's


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_where_optkit_shares_out_a_hint_says_no_more_than_the_streams(runtime: str) -> None:
    asked = known_by(runtime, hint="throughput")
    assert asked is not None
    assert asked == known_by(runtime, hint="latency", streams=2)
    assert known_by(runtime, hint="cumulative_throughput") is None  # refused, not the same


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "torch"])
@pytest.mark.parametrize(
    "other",
    [
        {"streams": 2},
        {"batch": 8},
        {"nireq": 3},
        {"infer_precision": "bf16"},  # not taken for f32 where the processor lacks it
        {"word": "another net"},
        {"api": "async"},
    ],
)
def test_what_differs_is_another(runtime: str, other: dict[str, Any]) -> None:
    assert known_by(runtime, hint="latency") != known_by(runtime, **{"hint": "latency", **other})


def test_streams_that_hang_on_the_model_are_known_once_it_was_measured() -> None:
    plain = Candidate(
        Variant("net", "fp32", None, "openvino"), Settings(threads=2, hint="throughput")
    )
    assert identity(plain, "offline") is None
    assert identity(plain, "offline", {"artifact": "net", "error": {"message": "no"}}) is None
    for streams in (1, 2):
        asked = Settings(threads=2, hint="throughput", streams=streams)
        told = find_runtime("openvino").resolved(asked)
        assert told is not None
        used = {"streams": streams, "threads": int(told["INFERENCE_NUM_THREADS"])}
        alike = known_by(scenario="offline", hint="throughput", streams=streams)
        assert identity(plain, "offline", {"settings": used}) == alike
        other = used | {"threads": used["threads"] + 2}  # more than these streams get when named
        assert identity(plain, "offline", {"settings": other}) is None


def test_nothing_is_said_of_what_openvino_refuses_or_of_other_devices() -> None:
    assert known_by(hint="latency", device="AUTO:CPU") is None
    assert known_by(hint="latency", streams=-7) is None
