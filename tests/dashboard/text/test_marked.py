"""The program's own Markdown as HTML: what was marked is marked, and titles stay text."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.text import marked
from dashboard.text.literal import md, plain
from tests.support.shop import HOSTILE


class Reader(HTMLParser):
    """What a browser makes of it: the text, and the elements."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(html: str) -> Reader:
    """The HTML, read to its end."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**+1.74**", "<b>+1.74</b>"),
        (":blue[**+1.74** better]", '<span class="up_text"><b>+1.74</b> better</span>'),
        (r"a \<b\> \*\*c\*\*", "a &lt;b&gt; **c**"),
        ("[not a link](x)", "[not a link](x)"),
        (":unknown[x]", ":unknown[x]"),
        ("**open :gray[x", '<b>open <span class="muted">x</span></b>'),
    ],
)
def test_marks(markdown: str, html: str) -> None:
    assert marked.html(markdown) == html


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_shown_as_it_is(title: str) -> None:
    found = read(marked.html(f"**{md(title)}** :gray[target]"))
    assert found.words == f"{plain(title)} target"
    assert set(found.seen) <= {"b", "span"}


@given(st.text(max_size=60))
def test_any_title_is_shown_as_it_is(title: str) -> None:
    assert read(marked.html(md(title))).words == plain(title)


@given(st.text(alphabet="*:[]\\<>&abgrye\"'", max_size=40))
def test_any_markdown_gives_elements_that_are_closed(markdown: str) -> None:
    found = read(marked.html(markdown))
    assert set(found.seen) <= {"b", "span"}
