"""What a person reads at the end of a run."""

import io

import models
import pytest
from rich.console import Console as Rich

import optkit
from optkit import console as say


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = models.onnx_file(models.ConvNet, folder / "net.onnx")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"optkit: 1\nmodel: {{path: {model}}}\nto: ir\nprecision: fp16\n"
        "benchmark: {seconds: 0.2}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        return optkit.run(recipe, output=folder / "out").manifest


def shown(manifest):
    stream = io.StringIO()
    rich = Rich(file=stream, width=100, color_system=None)
    say.print_run(say.Console(stream, rich), manifest, "out")
    return stream.getvalue()


def test_speedups_bear_their_verdict(manifest):
    text = " ".join(shown(manifest).split())
    result = manifest["benchmark"][-1]
    for key in ("speedup", "speedup_vs_source"):
        told = result[key]
        assert f"speed against {told['against']} {told['value']:.2f}x" in text
        assert f"-{told['ci95'][1]:.2f}, {told['verdict']}" in text


def test_a_baseline_that_failed_is_told(manifest):
    source, *rest = manifest["benchmark"]
    kept = ("artifact", "runtime", "device", "scenario", "settings")
    failed = {key: source[key] for key in kept}
    failed["error"] = {"message": "net.onnx crashed", "hint": "try another", "exit": 1}
    rest[-1] = {**rest[-1], "speedup_vs_source": None}
    text = shown({**manifest, "benchmark": [failed, *rest]})
    assert "source not timed on CPU single-stream: net.onnx crashed; try another" in text
    assert "speed against source" not in text
    assert "speed against fp32" in text


def test_a_server_without_a_load(manifest):
    server = {"held": False, "latency_bound_ms": 5.0, "reason": ""}
    rows = [{**row, "scenario": "server", "server": server} for row in manifest["benchmark"]]
    assert "no load holds p99 within 5 ms" in shown({**manifest, "benchmark": rows})
