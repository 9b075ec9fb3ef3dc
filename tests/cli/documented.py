"""The commands of README and of the pages, as a reader would type them."""

import re
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Command:
    """A line of a page, with those that it goes on in, or a whole loop."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a language, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text[: block.start(1)].count("\n") + 1, block[1]) for block in found]


def commands(page: Path) -> list[Command]:
    """All commands of its blocks of bash, and of its consoles, where a line of a command begins with a dollar."""
    name = str(page.relative_to(REPO))
    found = blocks(page, "bash")
    for first, block in blocks(page, "console"):
        found.append((first, re.sub(r"^(?!\$ ).*|^\$ ", "", block, flags=re.MULTILINE)))
    return [Command(name, first + offset, text) for first, block in sorted(found) for offset, text in _split(block)]


def _split(block: str) -> list[tuple[int, str]]:
    """The commands of a block, without comments, each with the number of lines before it."""
    lines: list[tuple[int, str]] = []
    whole = True
    for offset, line in enumerate(block.splitlines()):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not whole:
            lines[-1] = (lines[-1][0], f"{lines[-1][1].removesuffix(chr(92)).strip()} {text}")
        elif text:
            lines.append((offset, text))
        if lines:
            said = lines[-1][1]
            whole = not said.endswith("\\") and len(re.findall(r"\bfor\b", said)) == len(re.findall(r"\bdone\b", said))
    return lines
