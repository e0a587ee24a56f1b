"""Reports go to the files that the user names, however the run ends."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from optkit import catalogue

RUN = ("convert", "--no-benchmark", "--to", "ir")


def outcomes(path: Path) -> dict[str, str]:
    """How each test case ended."""
    cases = ET.parse(path).getroot().iter("testcase")
    return {case.get("name", ""): next((one.tag for one in case), "") for case in cases}


def test_a_run_that_held(optkit, shelf) -> None:
    ended = optkit(*RUN, shelf / "model.onnx", "--markdown", "r.md", "--junit", "r.xml", "-q")
    assert ended.code == 0
    assert Path("r.md").read_text().startswith("## ✅ ")
    assert outcomes(Path("r.xml"))["model.xml: cosine"] == "system-out"
    assert sorted(path.name for path in Path().iterdir()) == ["model-optkit", "r.md", "r.xml"]


def test_a_gate_that_was_missed(optkit, shelf) -> None:
    flags = ("--gate", "max_abs<=-1", "--markdown", "r.md", "--junit", "r.xml", "-q")
    assert optkit(*RUN, shelf / "model.onnx", *flags).code == 3
    assert "## ❌ " in Path("r.md").read_text()
    assert outcomes(Path("r.xml"))["model.xml: max_abs"] == "failure"


STUMBLES = """
from pydantic import BaseModel, ConfigDict
from optkit.core.contract import transform

class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

@transform(Options, takes=("onnx",), needs=("onnx",))
def stumbles(artifact, options, context):
    "A pass that fails."
    raise RuntimeError("no more <of this>")
"""


@pytest.fixture
def stumbles(tmp_path_factory, monkeypatch):
    """A pass that fails, installed as another distribution's."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "stumbles.py").write_text(STUMBLES)
    about = folder / "stumbles-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stumbles\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[optkit.passes]\nstumbles = stumbles:stumbles\n")
    monkeypatch.syspath_prepend(str(folder))
    cached = (catalogue._plugins, catalogue.find_pass, catalogue.pass_names)
    for one in cached:
        one.cache_clear()
    yield
    monkeypatch.undo()
    for one in cached:
        one.cache_clear()


def test_a_step_that_failed_is_the_failure(optkit, shelf, place, stumbles) -> None:
    shutil.copy(shelf / "model.onnx", place)
    (place / "r.yaml").write_text(
        "optkit: 1\nmodel: {path: model.onnx}\npasses: [convert_fp16, stumbles]\nbenchmark: false\n"
    )
    ended = optkit("run", "r.yaml", "--markdown", "r.md", "--junit", "r.xml", "-q")
    assert ended.code == 1
    assert outcomes(Path("r.xml")) == {"1. convert_fp16": "system-out", "2. stumbles": "failure"}
    text = Path("r.md").read_text()
    assert text.startswith("## ❌ ")
    assert "> step 'stumbles' failed: no more &lt;of this&gt;" in text
    assert not Path("model-optkit").exists()


def test_bad_input_is_an_error(optkit, place) -> None:
    assert optkit("run", "none.yaml", "--markdown", "r.md", "--junit", "r.xml").code == 2
    assert outcomes(Path("r.xml")) == {"run": "error"}
    assert "none.yaml: no such file" in Path("r.md").read_text()


def test_the_summary_of_a_job_is_added_to(optkit, shelf, place, monkeypatch) -> None:
    summary = place / "summary.md"
    summary.write_text("from another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for _ in range(2):
        optkit(*RUN, shelf / "model.onnx", "--markdown", summary, "-q")
    text = summary.read_text()
    assert text.startswith("from another step\n")
    assert text.count("## ✅ ") == 2
    other = place / "other.md"
    for _ in range(2):
        optkit(*RUN, shelf / "model.onnx", "--markdown", other, "-q")
    assert other.read_text().count("## ✅ ") == 1


def test_several_recipes_are_several_suites(optkit, shelf, place) -> None:
    shutil.copy(shelf / "model.onnx", place)
    good = "optkit: 1\nmodel: {path: model.onnx}\nto: ir\nbenchmark: false\n"
    (place / "a.yaml").write_text(good)
    (place / "b.yaml").write_text(good.replace("to: ir", "to: irr"))
    (place / "c.yaml").write_text(good + "gates: {max_abs: {max: -1}}\n")
    files = ("--markdown", "r.md", "--junit", "r.xml", "-q")
    assert optkit("run", "a.yaml", "b.yaml", "c.yaml", "--keep-going", *files).code == 2
    suites = {suite.get("name"): suite for suite in ET.parse("r.xml").getroot()}
    counts = {name: [suite.get(word) for word in ("failures", "errors", "skipped")]
              for name, suite in suites.items()}  # fmt: skip
    assert counts == {
        "a.yaml": ["0", "0", "0"], "b.yaml": ["0", "1", "0"], "c.yaml": ["1", "0", "0"],
    }  # fmt: skip
    heads = [line for line in Path("r.md").read_text().splitlines() if line.startswith("## ")]
    assert heads == [
        "## ✅ model.onnx: every gate held", "## ❌ b.yaml: failed",
        "## ❌ model.onnx: a gate was missed",
    ]  # fmt: skip
    optkit("run", "a.yaml", "b.yaml", *files)  # a mistake in one keeps all from running
    assert outcomes(Path("r.xml")) == {"run": "error"}
    assert "## ⚠️ a.yaml: not run" in Path("r.md").read_text()


@pytest.mark.parametrize("flag", ["--markdown", "--junit"])
def test_a_folder_that_is_not_there_is_told_before_any_work(refused, shelf, flag) -> None:
    refused(
        *RUN, shelf / "model.onnx", flag, "none/r",
        cause="cannot write none/r: no such folder", fix="name another file",
    )  # fmt: skip


def test_models_held_against_each_other(optkit, shelf) -> None:
    flags = ("--reference", shelf / "model.onnx", "--gate", "max_abs<=-1", "--junit", "v.xml", "-q")
    assert optkit("validate", shelf / "model.xml", *flags).code == 3
    found = outcomes(Path("v.xml"))
    assert found["model.xml: outputs"] == "system-out"
    assert found["model.xml: max_abs"] == "failure"


def test_report_renders_again_and_compares(optkit, shelf) -> None:
    for name in ("a", "b"):
        optkit(*RUN, shelf / "model.onnx", "-o", name, "-q")
    before = Path("a/report.html").read_text()
    Path("a/report.html").unlink()
    ended = optkit("report", "a")
    assert (ended.code, ended.out.strip()) == (0, "wrote a/report.html")
    assert Path("a/report.html").read_text() == before
    ended = optkit("report", "a", "b", "-o", "c.html", "--markdown", "c.md", "--junit", "c.xml")
    assert ended.code == 0
    assert "wrote c.html, c.md, c.xml" in ended.out
    assert "2 runs compared: every gate held" in Path("c.html").read_text()
    assert "2 runs compared: every gate held" in Path("c.md").read_text()
    assert [suite.get("name") for suite in ET.parse("c.xml").getroot()] == ["a", "b"]
    told = json.loads(optkit("report", "a", "b", "--json").out)
    assert told["written"] == []
    assert {row["about"] for row in told["compared"]} == {"Runs", "model.xml", "Gates"}


def test_a_folder_without_a_manifest_is_refused(refused, place) -> None:
    (place / "empty").mkdir()
    refused(
        "report", "empty", cause="empty holds no optkit.json",
        fix="name the output folder of a run, or make one: optkit run RECIPE -o empty",
    )  # fmt: skip


def test_lint_writes_what_it_finds(optkit, place) -> None:
    (place / "bad.yaml").write_text("optkit: 1\nmodel: {path: a.pt}\nto: ir\nseeed: 1\n")
    assert optkit("lint", "bad.yaml", "--sarif", "l.sarif").code == 2
    (result,) = json.loads(Path("l.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "recipe/unknown-key"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 4, "startColumn": 1}
    (place / "bad.yaml").write_text("optkit: 1\nmodel: {path: a.pt}\nto: ir\n")
    assert optkit("lint", "bad.yaml", "--sarif", "l.sarif").code == 0
    assert json.loads(Path("l.sarif").read_text())["runs"][0]["results"] == []
    assert optkit("lint", "none.yaml", "--sarif", "l.sarif").code == 2
    (found,) = json.loads(Path("l.sarif").read_text())["runs"][0]["invocations"]
    assert found["executionSuccessful"] is False
