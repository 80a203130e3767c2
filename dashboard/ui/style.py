"""The style sheet with the colours of both themes put in: the browser picks by its `color-scheme`.

Streamlit sets the color-scheme of the page, but draws popovers, dialogs and tooltips outside it, so `css`
sets it on the whole document.
"""

from functools import cache
from pathlib import Path
from string import Template

from dashboard.ui.theme import DARK, LIGHT

SHEET = Path(__file__).with_name("style.css")


@cache
def css(kind: str | None) -> str:
    """A `<style>` element for a theme type as `st.context.theme.type` gives it.

    While a person switches themes, the page follows at once and what lies beside it with the next run.
    """
    colours = {name: f"light-dark({light}, {vars(DARK)[name]})" for name, light in vars(LIGHT).items()}
    sheet = Template(SHEET.read_text(encoding="utf-8")).substitute(colours)
    return f"<style>:root {{ color-scheme: {'dark' if kind == 'dark' else 'light'}; }}\n{sheet}</style>"
