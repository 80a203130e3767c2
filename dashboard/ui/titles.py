"""Titles in the room there is: cut by the browser, whole on hover and on keyboard focus, copied exactly.

Streamlit cuts a line too, but then shows the rest nowhere. The rules are in style.css, "Titles".
"""

import streamlit as st

from dashboard.text.literal import html, plain

LINE = 16  # letters that fit in a line of any card: shorter titles need neither hover nor focus


def title(text: object, *, lines: int = 1, strong: bool = False) -> None:
    """Draw text from outside, at most `lines` lines (1 or 2) high."""
    st.html(whole(text, lines=lines, strong=strong))


def whole(text: object, *, lines: int = 1, strong: bool = False, focus: bool = True) -> str:
    """The same as HTML. `focus`: part of the tab order; not in a list that has the focus itself."""
    long = len(plain(text)) > LINE * lines
    shape = f"whole lines-{lines}{' strong' if strong else ''}{' long' if long else ''}"
    stop = ' tabindex="0"' if long and focus else ""
    return f'<div class="{shape}"{stop}><span dir="auto">{html(text)}</span></div>'
