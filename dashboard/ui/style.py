"""The style sheet with the colours of both themes put in: the browser picks by its `color-scheme`."""

from functools import cache
from pathlib import Path
from string import Template

from dashboard.ui.theme import DARK, LIGHT

SHEET = Path(__file__).with_name("style.css")


@cache
def css() -> str:
    """A `<style>` element that holds in either theme, also while a person switches between them."""
    colours = {name: f"light-dark({light}, {vars(DARK)[name]})" for name, light in vars(LIGHT).items()}
    return f"<style>{Template(SHEET.read_text(encoding='utf-8')).substitute(colours)}</style>"
