"""report.html says what the manifest says, on a page that needs nothing else."""

from html.parser import HTMLParser
from pathlib import Path

import models
import pytest

import optkit
from optkit.report.html import render_run


class Page(HTMLParser):
    """Visible text, links out of the page, and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.links, self.open, self.told = "", [], [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in {"src", "href"}]
        self.told += [value for name, value in attributes if name == "aria-label"]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    model = models.onnx_file(models.ConvNet, folder / "net<b>.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        return optkit.convert(model, "ir", output=folder / "out", benchmark=False)


def test_it_lies_in_the_output_and_stands_alone(made) -> None:
    page = read((Path(made.folder) / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.links == []
    assert "every gate held" in page.text
    assert "net<b>.onnx" in page.text  # names are text, whatever they look like
    assert "Synthesised inputs served validation" in page.text
    assert "emit_ir" in page.text
    assert "Not measured." in page.text


def test_what_layers_lose_is_a_table_and_a_picture(made) -> None:
    found = {
        "sensitivity": {"conv<1>": [{"ratio": 0.5, "drop": 0.125}]},
        "measure": "accuracy", "samples": 60,
    }  # fmt: skip
    (step,) = made.manifest["steps"]
    page = read(render_run({**made.manifest, "steps": [{**step, "details": found}]}))
    assert "Sensitivity, accuracy lost on 60 samples" in page.text
    assert "50 %: 0.125" in page.text
    assert any("conv<1>: 0.125 at most" in told for told in page.told)


def test_a_missed_gate_is_the_headline(made) -> None:
    missed = {**made.manifest["gates"][0], "held": False, "value": None, "name": "speedup"}
    page = read(render_run({**made.manifest, "status": "gated", "gates": [missed]}))
    assert "a gate was missed" in page.text
    assert "not measured" in page.text


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Two results, timed for a moment."""
    folder = tmp_path_factory.mktemp("timed")
    model = models.traced(models.ConvNet, folder / "net.pt")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"optkit: 1\nmodel: {{path: {model}}}\nto: [ir, onnx]\nprecision: fp16\n"
        "benchmark: {seconds: 0.2}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        return optkit.run(recipe, output=folder / "out")


def test_pictures_of_latencies_tell_in_words_too(timed) -> None:
    page = read((Path(timed.folder) / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    xml, onnx, size, *speed = page.told
    assert xml.startswith("Latencies, model.xml on CPU, single-stream. source: median ")
    assert onnx.startswith("Latencies, model.onnx on CPU, single-stream. source: median ")
    for row in timed.manifest["benchmark"]:
        assert f"{row['artifact']}: median {row['latency_ms']['p50']:.3g} ms" in xml + onnx
        assert sum(row["histogram"]["counts"]) == row["samples"]
        assert "raw_ms" not in row
    assert size.startswith("Size against fidelity. model.xml: ")
    assert [told.partition(".")[0] for told in speed] == [
        "Median latency, CPU single-stream, against fidelity"
    ]


def test_the_verdict_stands_beside_the_speedup(timed) -> None:
    page = read(render_run(timed.manifest))
    for row in timed.manifest["benchmark"]:
        if speedup := row.get("speedup_vs_source"):
            assert f"{speedup['ci95'][1]:.4g}), {speedup['verdict']}" in page.text


def test_a_baseline_that_failed_is_told(timed) -> None:
    kept = ("artifact", "runtime", "device", "scenario", "settings")
    source, *rest = timed.manifest["benchmark"]
    failed = {key: source[key] for key in kept}
    failed["error"] = {"message": "net.pt crashed", "hint": "try <another>", "exit": 1}
    page = read(render_run({**timed.manifest, "benchmark": [failed, *rest]}))
    assert "not timed: net.pt crashed; try <another>" in page.text
    assert page.open == []
    assert page.told[0].startswith("Latencies, model.xml on CPU, single-stream. fp32: median ")
