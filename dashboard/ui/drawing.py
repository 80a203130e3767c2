"""SVG in the colours of the theme, put on the page by a line in the browser: `st.html` would leave it out.

For pictures that follow every move of a slider: a Plotly figure costs the browser tens of milliseconds each
time, and 5 MB before the first one.
"""

from dataclasses import fields

from streamlit.components.v2 import component

from dashboard.ui.theme import DARK, LIGHT, Palette

NAMES = [each.name for each in fields(Palette)]
COLOURS = "\n".join(
    f".{name} {{ color: light-dark({vars(LIGHT)[name]}, {vars(DARK)[name]}) }}" for name in NAMES
)
STYLE = f"""
.picture > svg {{ display: block; overflow: visible }}
path, line {{ fill: none; stroke: currentColor }}
circle, rect, text {{ fill: currentColor }}
{COLOURS}
"""
DRAW = """
export default ({ data, parentElement }) => { parentElement.querySelector(".picture").innerHTML = data }
"""


WIDE_STYLE = f"""{STYLE}
.picture > svg {{ width: 100%; height: auto; max-height: 66vh }}
.picture:has(.item:hover) .item:not(:hover) {{ opacity: 0.25 }}
"""


def draw_wide(svg: str, key: str) -> None:
    """Draw a picture that scales to the width of the page, and no higher than the window leaves room for."""
    picture = component("dualens_wide_picture", html='<div class="picture"></div>', css=WIDE_STYLE, js=DRAW)
    picture(key=key, data=svg, height="content")


def draw(svg: str, key: str, height: int) -> None:
    """Draw a picture of `height` pixels; the class of a part is its colour's name in the palette."""
    picture = component("dualens_picture", html='<div class="picture"></div>', css=STYLE, js=DRAW)
    picture(key=key, data=svg, height=height)
