"""Documentation pages in the form that Streamlit's Markdown shows: parts, links and escapes. No Streamlit.

Markdown written for mkdocs differs in four ways: links name files (`glossary.md#nats`), images may belong to
one theme (`x.webp#only-dark`), comments are not shown, and a dollar sign is only a dollar sign.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_IMAGE = re.compile(r"^!\[(?P<alt>[^\]]*)\]\((?P<path>[^)#]+)(?:#only-(?P<theme>light|dark))?\)$")
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<name>[\w-]+)\.md(?:#(?P<section>[\w-]+))?\)")
_CODE = re.compile(r"(`[^`]*`)")
_COMMENT = re.compile(r"^<!--.*-->$")


@dataclass(frozen=True)
class Image:
    """A picture between two texts. `path` is relative to the documentation's folder."""

    path: str
    alt: str


def parts(text: str, theme: str, url: Callable[[str], str]) -> Iterator[str | Image]:
    """Texts and images of a page in order; images of the other theme are left out.

    `url`: the address of a place such as `glossary#nats`. Links between pages stay in the same tab, which
    takes HTML: show the texts with `unsafe_allow_html`.
    """
    lines: list[str] = []
    code = False
    for line in text.splitlines():
        if not code and _COMMENT.match(line):
            continue
        image = None if code else _IMAGE.match(line.strip())
        if line.lstrip().startswith("```"):
            code = not code
        elif image is None and not code:
            line = _inline(line, url)
        if image is None:
            lines.append(line)
            continue
        if any(lines):
            yield "\n".join(lines)
        lines = []
        if image["theme"] in (None, theme):
            yield Image(image["path"], image["alt"])
    if any(lines):
        yield "\n".join(lines)


def _inline(line: str, url: Callable[[str], str]) -> str:
    """One line outside code blocks: dollar signs escaped, links between pages as HTML."""

    def anchor(match: re.Match[str]) -> str:
        place = match["name"] + (f"#{match['section']}" if match["section"] else "")
        return f'<a href="{url(place)}" target="_self">{match["text"]}</a>'

    pieces = _CODE.split(_LINK.sub(anchor, line))
    return "".join(piece if at % 2 else piece.replace("$", r"\$") for at, piece in enumerate(pieces))
