"""What a person reads and copies is the text itself: no character added, left out or rewritten."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.text.literal import plain
from tests.e2e.waiting import script, still, until
from tests.support.server import ROOT
from tests.support.shop import HOSTILE

pytestmark = pytest.mark.e2e
COMMANDS = (
    "dualens run --data simulated --user 'shopper 0012' -k=3 > /tmp/a-b_c.txt",
    "python -m pip install dualens[peft]==1.0 # ~= 1.0",
    "a <-> b",
    "->",
    "::: name:x:y: ::a:: 12:30:45 :help[x]",
    "RTL مجموعة 12 قطعة :smile: -> 7",
    "© 0 -> 7",
    "❤️ مجموعة 12",
    "#️⃣ 1",
    "👨‍👩‍👧 and 7",
)
PIECES = st.sampled_from(
    [
        ":",
        "smile",
        "->",
        "--",
        "www.",
        "@x.org",
        "https://",
        "[",
        "]",
        "`",
        "$",
        "<b>",
        "*",
        "\\",
        "قطعة",
        " ",
        "7",
    ]
)
TEXTS = st.lists(
    st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join)), min_size=25, max_size=25
)
CLIPBOARD = "navigator.clipboard.readText()"
PLACES = {
    "bold": "strong",
    "coloured": ".stMarkdownColoredText",
    "caption": "[data-testid=stCaptionContainer]",
    "error": "[data-testid=stAlert]",
    "text": "[data-testid=stText]",
    "title": "[data-testid=stHtml]",
    "button": "[data-testid=stButton] button",
    "checkbox": "[data-testid=stCheckbox]",
    "cell": "[data-testid=stTable] td",
}


@pytest.fixture
def show(page: Any, serve: Callable[[list[str]], str], tmp_path: Path) -> Callable[[Sequence[str]], Any]:
    """`show(strings)` opens a page that draws them in every place."""
    base = serve(
        [
            "-m",
            "streamlit",
            "run",
            str(ROOT / "tests/support/literal_app.py"),
            "--server.port={port}",
            "--server.headless=true",
            "--browser.gatherUsageStats=false",
        ]
    )
    file = tmp_path / "strings.json"

    def show_(strings: Sequence[str]) -> Any:
        file.write_text(json.dumps(strings), encoding="utf-8")
        page.goto(f"{base}/?file={quote(str(file))}")
        page.get_by_text("drawn", exact=True).wait_for()
        page.locator(".js-plotly-plot text").first.wait_for()
        script(page, DRAWN, arg=[PLACES, len(strings)])
        still(page)
        return page

    return show_


DRAWN = """([places, count]) => Array.from({length: count}, (_, at) => at).every(at => Object.values(
  places).every(where => document.querySelector(`.st-key-case-${at} ${where}`)))"""
READ = """([places, count]) => Array.from({length: count}, (_, at) => Object.fromEntries(
  Object.entries(places).map(([place, where]) =>
    [place, [...document.querySelectorAll(`.st-key-case-${at} ${where}`)].at(-1).innerText])))"""


def check(page: Any, strings: Sequence[str]) -> None:
    """Every place shows every string exactly."""
    for text, seen in zip(strings, page.evaluate(READ, [PLACES, len(strings)]), strict=True):
        assert seen == dict.fromkeys(PLACES, plain(text))


def test_hostile_titles_and_commands(show: Callable[[Sequence[str]], Any]) -> None:
    strings = [*HOSTILE, *COMMANDS]
    page = show(strings)
    check(page, strings)
    drawn = page.locator(".js-plotly-plot .textpoint text")
    wanted = [plain(text) for text in strings]
    until(page, lambda: drawn.all_text_contents() == wanted, "the chart's texts are not the strings")
    page.locator(".st-key-case-10 [data-testid=stButton] button").first.hover()
    tooltip = page.locator("[data-testid=stTooltipContent]")
    until(page, lambda: tooltip.all_inner_texts() == [COMMANDS[0]], "the tooltip is not the command")


def test_the_clipboard_holds_the_command(show: Callable[[Sequence[str]], Any]) -> None:
    page = show(COMMANDS)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for place in ("stCaptionContainer", "stAlert", "stHtml", "stText"):
        page.evaluate("navigator.clipboard.writeText('')")
        page.locator(f".st-key-case-0 [data-testid={place}]").last.evaluate(
            "box => getSelection().selectAllChildren(box)"
        )
        page.keyboard.press("Control+C")
        until(page, lambda: page.evaluate(CLIPBOARD).strip() == COMMANDS[0], f"{place} was not copied")


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strings=TEXTS)
def test_any_text(show: Callable[[Sequence[str]], Any], strings: list[str]) -> None:
    check(show(strings), strings)
