"""Titles in the room there is: cut by the browser, whole on hover and on keyboard focus, copied exactly.

Streamlit cuts a line too, but then shows the rest nowhere. The rules are in style.css, "Titles".
"""

import streamlit as st

from dashboard.text.literal import html, plain

LINE = 16  # letters that surely fit in a line: only longer titles take part in the tab order


def title(text: object, *, lines: int = 1, strong: bool = False) -> None:
    """Draw text from outside, at most `lines` lines high."""
    st.html(whole(text, lines=lines, strong=strong))


def whole(text: object, *, lines: int = 1, strong: bool = False) -> str:
    """The same as HTML, for lists of titles."""
    focus = ' tabindex="0"' if len(plain(text)) > LINE * lines else ""
    shape = f"whole lines-{lines}{' strong' if strong else ''}"
    return f'<div class="{shape}"{focus}><span dir="auto">{html(text)}</span></div>'
