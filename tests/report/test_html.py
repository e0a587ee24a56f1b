"""report.html says what the manifest says, on a page that needs nothing else."""

import re
from pathlib import Path

from hostile import NAME, read

from optkit.report.html import render_benchmark, render_comparison, render_run
from optkit.report.reading import Run


def test_it_lies_in_the_output_and_stands_alone(plain) -> None:
    page = read((Path(plain.folder) / "report.html").read_text(encoding="utf-8"))
    assert page.links == ["data:,"]
    assert not {"script", "iframe", "img"} & {*page.tags}
    assert "every gate held" in page.text
    assert "net<b>.onnx" in page.text  # names are text, whatever they look like
    assert "Synthesised inputs served validation" in page.text
    assert "emit_ir" in page.text
    assert "Not measured." in page.text


def test_the_verdict_comes_first_and_headings_are_ordered(timed) -> None:
    text = (Path(timed.folder) / "report.html").read_text(encoding="utf-8")
    heads = re.findall(r"<h([1-6])[^>]*>(.*?)</h", text)
    assert heads[0][0] == "1"
    assert "net.pt: every gate held" in heads[0][1]
    assert [level for level, _ in heads].count("1") == 1
    assert [word for level, word in heads if level == "2"] == [
        "model.xml", "model.onnx", "Gates", "Fidelity", "Speed", "Size", "Steps", "Precision",
        "Environment", "Reproduce",
    ]  # fmt: skip


def test_targets_are_held_against_each_other(manifest) -> None:
    samples = manifest["validation"][0]["samples"]
    assert f"Each against each, {samples} given samples" in read(render_run(manifest)).text
    manifest["parity"] = {
        "samples": 7, "data": "given", "models": [{"name": name} for name in "abc"],
        "cosine": [[1.0, 0.9, None], [0.9, 1.0, 0.5], [None, 0.5, 1.0]],
        "max_abs": [[0.0, 0.25, None], [0.25, 0.0, 2.0], [None, 2.0, 0.0]],
    }  # fmt: skip
    page = read(render_run(manifest))
    assert "Each against each, 7 given samples: cosine, max abs" in page.text
    assert "0.9, 0.25" in page.text
    assert "not comparable" in page.text
    manifest["parity"] = None
    assert "Each against each" not in read(render_run(manifest)).text


def test_a_missed_gate_is_the_headline_and_noise_is_no_failure(missed) -> None:
    page = read(render_run(missed))
    assert "net.pt: a gate was missed" in page.text
    assert "too noisy" in page.text
    missed["gates"][0].update(held=True, verdict="held")
    missed["status"] = "ok"
    assert "no gate was missed, 1 could not be told" in read(render_run(missed)).text


def test_a_run_that_failed_says_where_and_what_to_do(failed) -> None:
    page = read(render_run(failed))
    assert "net.pt: failed" in page.text
    assert "step 'emit_ir' failed: no such <operation>" in page.text
    assert "Fix: leave it | out" in page.text
    assert f"1. {failed['steps'][0]['pass']}" in page.text


def test_every_figure_of_the_speed_stands_in_its_table(timed) -> None:
    page = read(render_run(timed.manifest))
    for row in timed.manifest["benchmark"]:
        assert f"{row['latency_ms']['p50']:.4g}" in page.text
        if speedup := row.get("speedup_vs_source"):
            assert speedup["verdict"] in page.text


def test_precision_is_told_by_operation(timed) -> None:
    page = read(render_run(timed.manifest))
    for artifact in timed.manifest["artifacts"]:
        found = artifact["precision"]["by_operation"]
        assert sum(count for held in found.values() for count in held.values()) == sum(
            artifact["precision"]["achieved"].values()
        )
        assert f"Operations of {artifact['path']} that carry weights" in page.text
    assert {"Convolution", "MatMul"} <= {
        *timed.manifest["artifacts"][0]["precision"]["by_operation"]
    }


def test_pictures_tell_in_words_too(timed) -> None:
    page = read((Path(timed.folder) / "report.html").read_text(encoding="utf-8"))
    xml, onnx, size, *speed = page.told
    assert xml.startswith("Latencies, model.xml on CPU, single-stream. source: median ")
    assert onnx.startswith("Latencies, model.onnx on CPU, single-stream. source: median ")
    for row in timed.manifest["benchmark"]:
        assert f"{row['artifact']}: median {row['latency_ms']['p50']:.3g} ms" in xml + onnx
        assert sum(row["histogram"]["counts"]) == row["samples"]
        assert "raw_ms" not in row
    assert size.startswith("Size against fidelity. source: ")
    assert [told.partition(".")[0] for told in speed] == [
        "Median latency, CPU single-stream, against fidelity"
    ]


def test_what_layers_lose_is_a_table_and_a_picture(plain) -> None:
    found = {
        "sensitivity": {"conv<1>": [{"ratio": 0.5, "drop": 0.125}]},
        "measure": "accuracy", "samples": 60,
    }  # fmt: skip
    (step,) = plain.manifest["steps"]
    page = read(render_run({**plain.manifest, "steps": [{**step, "details": found}]}))
    assert "Sensitivity, accuracy lost on 60 samples" in page.text
    assert "50 %: 0.125" in page.text
    assert any("conv<1>: 0.125 at most" in told for told in page.told)


def test_a_baseline_that_failed_is_told(manifest) -> None:
    kept = ("artifact", "runtime", "device", "scenario", "settings")
    source, *rest = manifest["benchmark"]
    failed = {key: source[key] for key in kept}
    failed["error"] = {"message": "net.pt crashed", "hint": "try <another>", "exit": 1}
    page = read(render_run({**manifest, "benchmark": [failed, *rest]}))
    assert "not timed: net.pt crashed; try <another>" in page.text
    assert page.told[0].startswith("Latencies, model.xml on CPU, single-stream. fp32: median ")


def test_no_name_breaks_out(hostile) -> None:
    calm = read(render_run(hostile))
    assert not {"script", "img"} & {*calm.tags}
    assert calm.links == ["data:,"]
    assert NAME[:40] in calm.text
    assert "{{7*7}}" in calm.text  # a name is no template
    runs = [Run(Path("<script>"), hostile), Run(Path("b"), hostile)]
    for text in (render_comparison(runs), render_benchmark(hostile["benchmark"])):
        assert not {"script", "img"} & {*read(text).tags}
