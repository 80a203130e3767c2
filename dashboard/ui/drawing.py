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


def draw(svg: str, key: str, height: int) -> None:
    """Draw a picture of `height` pixels; the class of a part is its colour's name in the palette."""
    picture = component("dualens_picture", html='<div class="picture"></div>', css=STYLE, js=DRAW)
    picture(key=key, data=svg, height=height)
