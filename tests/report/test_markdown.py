"""Markdown that a pull request shows as it is meant."""

import re

from hostile import NAME
from markdown_it import MarkdownIt

from optkit.core.errors import bad_input
from optkit.report.markdown import escape, render_run, render_runs


def tokens(text):
    """As GitHub reads it: CommonMark with tables and HTML."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def heads(text):
    found = tokens(text)
    return [(found[at].tag, found[at + 1].content) for at, one in enumerate(found)
            if one.type == "heading_open"]  # fmt: skip


def test_verdict_figures_and_gates_are_open_and_the_rest_is_folded(timed):
    text = render_run(timed.manifest)
    assert heads(text)[0] == ("h2", "✅ net.pt: every gate held")
    assert re.findall(r"<summary>(.*?)</summary>", text) == [
        "Fidelity", "Speed", "Size", "Steps", "Precision", "Environment",
    ]  # fmt: skip
    assert text.count("<details>") == text.count("</details>")
    tables = [one for one in tokens(text) if one.type == "table_open"]
    assert len(tables) >= 9
    assert "\n\n\n" not in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head(hostile):
    width = 0
    for token in tokens(render_run(hostile)):
        if token.type == "tr_open":
            width = 0
        elif token.type in {"th_open", "td_open"}:
            width += 1
        elif token.type == "thead_open":
            head = None
        elif token.type == "tr_close":
            head = head or width
            assert width == head


def test_no_name_breaks_out(hostile):
    text = render_run(hostile)
    html = [one.content for one in walk(tokens(text)) if one.type.startswith("html")]
    assert {*re.findall(r"<\W*(\w+)", "".join(html))} <= {"details", "summary", "br"}
    assert not [one for one in walk(tokens(text)) if one.type in {"link_open", "code_inline"}]
    assert "# head" not in {content for _, content in heads(text)}
    assert not re.search(r"@team", text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    text.encode("utf-8")


def walk(found):
    for one in found:
        yield one
        yield from one.children or ()


def test_what_is_escaped_reads_as_it_was():
    for text in ("a|b", "*x*", "<b>", "a\\|b", "`c`", "#1", "[x](y)", "1 & 2", 'it\'s "so"'):
        (paragraph,) = [one for one in tokens(f"- {escape(text)}") if one.type == "inline"]
        shown = "".join(one.content for one in paragraph.children if one.type.startswith("text"))
        assert shown == text
    assert escape("two\nlines\u2028more") == "two lines more"
    assert len(escape("x" * 5000)) < 700


def test_too_noisy_is_no_failure(missed):
    text = render_run(missed)
    assert "❌ missed" in text
    assert "⚠️ too noisy" in text


def test_a_failed_run_says_what_to_do(failed):
    text = render_run(failed)
    assert heads(text)[0] == ("h2", "❌ net.pt: failed")
    assert "> step 'emit\\_ir' failed: no such &lt;operation&gt;" in text
    assert "> Fix: leave it \\| out" in text


def test_a_run_that_came_to_nothing(manifest):
    text = render_runs([("a.yaml", manifest), ("b<x>.yaml", bad_input("no <model>", "name one"))])
    assert [word for tag, word in heads(text) if tag == "h2"] == [
        "✅ net.pt: every gate held", "❌ b&lt;x&gt;.yaml: failed",
    ]  # fmt: skip
    assert "> no &lt;model&gt;\n\n> Fix: name one" in text
    assert NAME not in text
