"""Every kind of page in a real Chromium: quiet, offline, drawn, readable, on a desk and a phone."""

import copy
import os
from itertools import pairwise
from pathlib import Path

import pytest
from browsing import CHROMIUM, DESKTOP, PHONE, browser, opened

from optkit.report.html import render_benchmark, render_comparison, render_run, render_search
from optkit.report.reading import Run

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium here; .ci/run installs it (apt-get install chromium)"
)

KINDS = ("run", "failed", "hostile", "comparison", "benchmark", "search")
VIEWS = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]


def found(manifest):
    """What a search would tell, of the run's own figures."""
    timed = [row for row in manifest["benchmark"] if "error" not in row]
    return {
        "objective": "latency", "scenario": "single-stream", "pick": timed[-1]["artifact"],
        "constraints": {"latency_p95_ms": {"max": 10}}, "why": "the fastest that keeps its bounds",
        "candidates": [
            {
                "variant": row["artifact"], "name": row["artifact"], "settings": {"threads": at},
                "latency_ms": row["latency_ms"], "throughput_per_s": row["throughput_per_s"],
                "size_bytes": 1000 * (at + 1), "fidelity": {"sqnr_db": 40.0 - at},
                "speedup_vs_source": None, "on_front": at < 2, "reason": "for a reason",
                "status": "picked" if row is timed[-1] else "slower",
                "undisturbed": {"latency_ms": row["latency_ms"]["p50"],
                                "throughput_per_s": row["throughput_per_s"]},
            }
            for at, row in enumerate(timed)
        ],
    }  # fmt: skip


def profile(manifest):
    """What `optkit bench --profile` would tell of its last row."""
    operations = [
        {"name": name, "type": kind, "precision": word, "ms": 0.2, "share": 0.5, "count": 2,
         "intensity": at, "gops_per_s": 2.0 * at, "roof_share": 0.4, "peak_share": 0.2,
         "bound": "memory"}
        for name, kind, word, at in (("conv", "Convolution", "fp32", 4.0),
                                     ("fc", "MatMul", "int8", 9.0))
    ]  # fmt: skip
    return [{
        "artifact": "model.xml", "runtime": "openvino", "device": "CPU", "operations": operations,
        "peaks": {"gops": {"fp32": 100.0, "int8": 400.0}, "gb_per_s": 20.0}, "latency_ms": 0.5,
        "operations_ms": 0.4, "unprofiled_ms": 0.45, "by_type": operations,
    }]  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    """One browser for all pages."""
    with browser() as started:
        yield started


@pytest.fixture
def page(request, tmp_path, timed):
    """Each kind of page, in a file."""
    kind = request.param
    if kind in {"failed", "hostile"}:
        text = render_run(request.getfixturevalue(kind))
    elif kind == "run":
        text = render_run(timed.manifest)
    elif kind == "comparison":
        other = copy.deepcopy(timed.manifest)
        other["artifacts"][0]["bytes"] //= 2
        runs = [Run(Path("main"), timed.manifest), Run(Path("change"), other)]
        text = render_comparison(runs)
    elif kind == "benchmark":
        text = render_benchmark(timed.manifest["benchmark"], profile(timed.manifest))
    else:
        text = render_search(found(timed.manifest))
    file = tmp_path / f"{kind}.html"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("page", KINDS, indirect=True)
def test_a_page_in_every_view(page, chromium, axe) -> None:
    grounds = set()
    with opened(chromium, page) as seen:
        assert _unordered(seen) == []
        for size, scheme in VIEWS:
            seen.view(size, scheme)
            assert seen.evaluate("document.documentElement.scrollWidth") <= size[0]
            texts = seen.texts()
            assert len(texts) > 10
            assert [one for one in texts if one["contrast"] < 4.5] == []
            _drawn(seen, none=page.stem == "failed")
            grounds.add((scheme, seen.evaluate("getComputedStyle(document.body).backgroundColor")))
            if shots := os.environ.get("OPTKIT_SCREENSHOTS"):
                name = f"{page.stem}-{size[0]}-{scheme}.png"
                seen.page.screenshot(path=Path(shots) / name, full_page=True)
        assert axe(seen.page) == []
        assert seen.complaints == []
        assert [url for url in seen.requests if not url.startswith("data:")] == []
    assert len(grounds) == 2  # light and dark differ


def _unordered(seen):
    """Headings that leave out a level, or a second main one."""
    levels = seen.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    return [pair for pair in pairwise(levels)
            if pair[1] > pair[0] + 1 or pair[1] == 1]  # fmt: skip


def _drawn(seen, *, none) -> None:
    """Every picture has a size, words, and parts with a size within it."""
    pictures = seen.evaluate("""[...document.querySelectorAll('svg')].map(svg => {
      const box = svg.getBoundingClientRect();
      const parts = [...svg.querySelectorAll('circle, path')]
        .map(one => one.getBoundingClientRect());
      const texts = [...svg.querySelectorAll('text')].map(one => one.getBoundingClientRect());
      return {width: box.width, height: box.height, told: svg.getAttribute('aria-label'),
              parts: parts.filter(one => one.width + one.height > 0).length,
              beyond: texts.filter(one => one.left < -1 || one.right > innerWidth + 1).length}})""")
    assert bool(pictures) is not none
    for one in pictures:
        assert one["width"] > 200
        assert one["height"] > 80
        assert one["parts"] >= 2
        assert len(one["told"]) > 20
        assert one["beyond"] == 0


@pytest.fixture(scope="module")
def axe():
    """What axe-core finds wrong, at any level."""
    from axe_playwright_python.sync_playwright import Axe

    checker = Axe()

    def check(page) -> list[str]:
        rows = checker.run(page).response["violations"]
        return [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in rows]

    return check
