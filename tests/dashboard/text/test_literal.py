"""Titles from outside are shown as they are, whatever reads them. Browser: tests/e2e/test_exact_text.py."""

import re
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.text.literal import NO_TITLE, html, md, plain, svg
from tests.support.reading import read
from tests.support.shop import HOSTILE

COMMAND = "python -m dualens run --data x --k=3 <a@b.org> -> out_1.txt"


@pytest.mark.parametrize("title", HOSTILE)
def test_markdown_shows_every_character(title: str) -> None:
    assert read(md(title)) == plain(title)


@given(st.text())
def test_markdown_shows_any_text(title: str) -> None:
    assert read(md(title)) == plain(title)


@given(st.text())
def test_no_markdown_punctuation_is_left_bare(title: str) -> None:
    marked = re.sub(r"\\.", "", md(title))
    while ":color[" in marked:
        marked = re.sub(r":color\[([^:\[\]]*)\]", r"\1", marked)
    assert not re.search(r"[!-/:-@\[-`{-~]", marked)


@given(st.text())
@pytest.mark.parametrize("show", [plain, md, svg, html])
def test_no_invisible_character_is_added(show, title: str) -> None:
    added = set(show(title)) - set(title) - set(NO_TITLE)
    assert not {character for character in added if unicodedata.category(character) in ("Cf", "Zs", "Cc")} - {
        " "
    }


@pytest.mark.parametrize("title", ["© 0", "❤️ b", "#️⃣ 1", "ℹ️ y", "👨‍👩‍👧 and 7"])
def test_a_symbol_at_the_beginning_is_no_icon_of_an_error(title: str) -> None:
    symbol, _, rest = title.partition(" ")
    assert md(title) == f":color[{symbol.replace('#', chr(92) + '#')}] {rest}"


@pytest.mark.parametrize("show", [plain, md, svg, html])
def test_a_command_holds_its_own_characters_only(show) -> None:
    assert show(COMMAND).isascii()


@pytest.mark.parametrize(
    "pattern",
    [
        ":smile:",
        ":a:b:",
        ":streamlit:",
        "https://x",
        "www.x.org",
        "a@b.org",
        "->",
        "<->",
        "--",
        ">=",
        "~=",
        "<-",
    ],
)
def test_what_streamlit_rewrites_after_parsing_is_split_into_text_nodes(pattern: str) -> None:
    nodes = re.split(r":color\[(?:\\)?(.)\]", md(pattern))
    after_parsing = [re.sub(r"\\(.)", r"\1", node) for node in nodes]
    rewriting = r":[\w+-]+:|(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)|www\.|https?://|[\w.]+@[\w-]+\."
    assert not [node for node in after_parsing if re.search(rewriting, node)]
    assert "".join(after_parsing) == pattern


@given(st.text())
def test_plotly_text_holds_no_tag_of_the_title(title: str) -> None:
    text = svg(title).replace('<span style="unicode-bidi:isolate">', "").replace("</span>", "")
    assert "<" not in text
    assert unescape(text) == unescape(plain(title).replace("&", "&amp;"))


def test_plotly_text_keeps_its_letters() -> None:
    assert svg("<b>A & B</b>") == "&lt;b&gt;A &amp; B&lt;/b&gt;"
    assert svg("costs $5 and $x^2$") == "costs $5 and $x^2$"


@pytest.mark.parametrize("empty", [None, "", "   ", "\n\t", "\u202e"])
def test_an_empty_title_is_named(empty: str | None) -> None:
    assert plain(empty) == NO_TITLE


def test_long_titles_end_in_an_ellipsis() -> None:
    assert plain("L" * 400, 20) == "L" * 19 + "…"
    assert plain("short", 20) == "short"


def test_line_breaks_and_control_characters_become_blanks() -> None:
    assert plain("1. first\n2.\tsecond\x00third") == "1. first 2. second third"


def test_right_to_left_runs_are_isolated_by_an_element() -> None:
    assert md("to مجموعة 12 قطعة 7") == "to :color[مجموعة 12 قطعة] 7"
    assert svg("to مجموعة 7") == 'to <span style="unicode-bidi:isolate">مجموعة</span> 7'
    assert plain("evil \u202etxt.exe") == "evil txt.exe"
