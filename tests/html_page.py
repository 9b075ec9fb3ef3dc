"""What stands in a page, read back from its HTML."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Elements of a page in order: tag, attributes, the text directly within."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in ("meta", "link", "img"):
            self._open.append(self.elements[-1][2])

    def handle_endtag(self, tag):
        self._open.pop()

    def handle_data(self, data):
        if self._open:
            self._open[-1].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.elements if name == tag]

    def words(self) -> str:
        """All its text."""
        return " ".join("".join(text) for tag, _, text in self.elements if tag not in ("script", "style"))
