"""The style sheet with the colours of the theme put in."""

from functools import cache
from pathlib import Path
from string import Template

from dashboard.theme import Palette

SHEET = Path(__file__).with_name("style.css")


@cache
def css(palette: Palette) -> str:
    """A `<style>` element for this palette."""
    return f"<style>{Template(SHEET.read_text(encoding='utf-8')).substitute(vars(palette))}</style>"
