"""report.html says what the manifest says, on a page that needs nothing else."""

from html.parser import HTMLParser
from pathlib import Path

import models
import pytest

import optkit
from optkit.report.html import render


class Page(HTMLParser):
    """Visible text, links out of the page, and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.links, self.open = "", [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in {"src", "href"}]
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


def test_a_missed_gate_is_the_headline(made) -> None:
    missed = {**made.manifest["gates"][0], "held": False, "value": None, "name": "speedup"}
    page = read(render({**made.manifest, "status": "gated", "gates": [missed]}))
    assert "a gate was missed" in page.text
    assert "not measured" in page.text
