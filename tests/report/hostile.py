"""A name that breaks out of whatever does not escape it, and pages as one reads them."""

from html.parser import HTMLParser

NAME = (
    "<script>fetch('http://example.invalid')</script>\"'&amp;<img src=x onerror=alert(1)>"
    "| a | b\n\r\n# head `x` **y** [z](http://example.invalid) @team ]]> "
    "\x00\x1b[31m\ufffe{{7*7}}"
)


class Page(HTMLParser):
    """Visible text, links out of the page, tags by name, and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.links, self.open, self.told, self.tags = "", [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in {"src", "href"}]
        self.told += [value for name, value in attributes if name == "aria-label"]
        self.tags.append(tag)
        if tag not in {"meta", "br", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text: str) -> Page:
    """A page, every tag of which must be closed."""
    page = Page()
    page.feed(text)
    assert page.open == []
    return page
