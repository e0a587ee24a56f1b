"""A page in a real browser: what it asks for and complains of, and how its text stands out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = (1200, 900), (390, 844)

# Every piece of text with the colours that it has, and those that it stands on.
_TEXTS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const rgba = colour => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
      const read = [...canvas.getImageData(0, 0, 1, 1).data];
      known.set(colour, read.map((one, at) => at < 3 ? one : one / 255));
    }
    return known.get(colour);
  };
  const over = (top, under) =>
    top.slice(0, 3).map((one, at) => one * top[3] + under[at] * (1 - top[3]));
  const light = colour => colour.map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    const box = element.getBoundingClientRect();
    if (!text || !box.width || element.closest('script, style, title')) continue;
    const layers = [];
    for (let one = element; one; one = one.parentElement)
      layers.unshift(rgba(getComputedStyle(one).backgroundColor));
    const paper = layers.reduce((under, top) => over(top, under), [255, 255, 255]);
    const style = getComputedStyle(element);
    const ink = rgba(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(over(ink, paper)), light(paper)].sort((x, y) => y - x);
    found.push({text, contrast: (a + 0.05) / (b + 0.05), size: parseFloat(style.fontSize)});
  }
  return found;
}"""


@dataclass
class Seen:
    """A page that is open.

    Attributes:
        page: playwright's.
        complaints: what came on the console, and errors of scripts.
        requests: addresses that the page asked for, beside its own.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        """What a script in the page gives."""
        return self.page.evaluate(script)

    def view(self, size: tuple[int, int], scheme: str) -> None:
        """Look at it at a size, in light or dark."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)

    def texts(self) -> list[dict[str, Any]]:
        """Each visible text with its contrast to what it stands on (WCAG 2.2)."""
        found: list[dict[str, Any]] = self.evaluate(_TEXTS)
        return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(browser: Browser, file: Path) -> Iterator[Seen]:
    """A page in a context of its own, without a network."""
    context = browser.new_context(offline=True)
    seen = Seen(context.new_page())
    address = file.resolve().as_uri()
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(address)
    seen.requests.remove(address)
    try:
        yield seen
    finally:
        context.close()
