"""The Markdown that this program writes into tables and captions, as HTML for what is no page of Streamlit.

Boundary: only what `dashboard.text` and the tables of the pages write: bold, `:colour[...]` and backslashes
before punctuation. Everything else is text and stays text.
"""

import re
from html import escape

CLASSES = {"blue": "up_text", "orange": "down_text", "gray": "muted", "green": "hint", "color": "apart"}
"""Streamlit's names of colours -> classes of the style sheet; `color` has none and only isolates."""

_PARTS = re.compile(
    r"\\(?P<literal>[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])|(?P<bold>\*\*)|:(?P<colour>[a-z]+)\[|(?P<end>\])"
    r"|(?P<text>[^\\*:\]]+|.)",
    re.DOTALL,
)


def html(markdown: str) -> str:
    """The text as HTML in which every element is closed, whatever the text holds."""
    parts: list[str] = []
    opened: list[str] = []

    def close(tag: str) -> None:
        while opened:
            last = opened.pop()
            parts.append(f"</{last}>")
            if last == tag:
                return

    for part in _PARTS.finditer(markdown):
        if part["bold"]:
            if "b" in opened:
                close("b")
            else:
                opened.append("b")
                parts.append("<b>")
        elif part["colour"] in CLASSES:
            opened.append("span")
            parts.append(f'<span class="{CLASSES[part["colour"]]}">')
        elif part["end"] and "span" in opened:
            close("span")
        else:
            parts.append(escape(part["literal"] or part[0]))
    while opened:
        parts.append(f"</{opened.pop()}>")
    return "".join(parts)
