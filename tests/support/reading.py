"""What a person reads on a page under test."""

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

from streamlit.testing.v1 import AppTest

PATIENCE_S = 180.0


def texts(app: AppTest) -> str:
    """Everything a person reads on the page."""
    parts = [*app.markdown, *app.caption, *app.text, *app.subheader, *app.header, *app.error]
    titles = [unescape(re.sub(r"<style>.*</style>|<[^>]*>", "\n", str(part.value))) for part in app.html]
    return "\n".join([read("\n".join(str(part.value) for part in parts)), *titles])


def read(markdown: str) -> str:
    """Escaped Markdown as a person reads it."""
    spans = 1
    while spans:  # innermost first
        markdown, spans = re.subn(r":color\[((?:\\.|[^\\\[\]])*)\]", r"\1", markdown)
    return re.sub(r"\\(.)", r"\1", markdown)


def button(app: AppTest, label: str) -> Any:
    """The button of this label."""
    return next(each for each in app.button if each.label == label)


def named(widgets: Any, name: str) -> Any:
    """The widget of this name, also after the program changed its value (`dashboard.state.widgets`)."""
    return next(each for each in widgets if str(each.key).partition("~")[0] == name)


def until(app: AppTest, words: str) -> None:
    """Draw the page again until it says this."""
    later(app, lambda: words in texts(app) or any(words in each.value for each in app.success), repr(words))


def later(app: AppTest, holds: Callable[[], object], what: str) -> None:
    """Draw the page again until something holds; fails with `what` after a time that no machine needs."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"{what} never came: {texts(app)}"
        time.sleep(0.05)
        app.run()
