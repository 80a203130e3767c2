"""Titles from strangers are shown as they are, whatever reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.text.literal import (
    JOINER,
    NO_TITLE,
    md,
    plain,
    svg,
)
from tests.support.shop import HOSTILE


def shown(markdown: str) -> str:
    """What Streamlit shows of escaped Markdown: backslash escapes removed, joiners invisible."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace(JOINER, "")


@pytest.mark.parametrize("title", HOSTILE)
def test_markdown_shows_every_character(title: str) -> None:
    assert shown(md(title)) == plain(title)


@given(st.text())
def test_markdown_shows_any_text(title: str) -> None:
    assert shown(md(title)) == plain(title).replace(JOINER, "")


@given(st.text())
def test_no_markdown_punctuation_is_left_bare(title: str) -> None:
    bare = re.sub(r"\\.", "", md(title))
    assert not re.search(r"[!-/:-@\[-`{-~]", bare)


@pytest.mark.parametrize(
    "pattern", [":smile:", ":material/home:", ":red[x]", "a -> b", "a -- b", "a >= b", "www.x.org", "a@b.org"]
)
def test_what_streamlit_rewrites_after_parsing_is_broken_up(pattern: str) -> None:
    after_parsing = re.sub(r"\\(.)", r"\1", md(pattern))
    rewriting = r":[\w+-]+:|:material/|(?:^|\s)(?:->|--|>=)(?:\s|$)|www\.|[\w.]+@[\w-]+\."
    assert not re.search(rewriting, after_parsing)
    assert after_parsing.replace(JOINER, "") == pattern


@given(st.text())
def test_plotly_text_holds_no_tag_and_no_formula(title: str) -> None:
    text = svg(title)
    assert "<" not in text
    assert not re.search(r"\$[^" + JOINER + r"]+\$", text)


def test_plotly_text_keeps_its_letters() -> None:
    assert svg("<b>A & B</b>") == "&lt;b&gt;A &amp; B&lt;/b&gt;"
    assert svg("costs $5") == "costs $5"


@pytest.mark.parametrize("empty", [None, "", "   ", "\n\t", "\u202e"])
def test_nothing_is_said_to_be_nothing(empty: str | None) -> None:
    assert plain(empty) == NO_TITLE


def test_long_titles_end_in_an_ellipsis() -> None:
    assert plain("L" * 400, 20) == "L" * 19 + "…"
    assert plain("short", 20) == "short"


def test_line_breaks_and_control_characters_become_blanks() -> None:
    assert plain("1. first\n2.\tsecond\x00third") == "1. first 2. second third"


def test_right_to_left_text_cannot_reorder_its_surroundings() -> None:
    title = plain("مجموعة 12 قطعة")
    assert title.startswith("\u2068")
    assert title.endswith("\u2069")
    assert plain("evil \u202etxt.exe") == "evil txt.exe"
