"""The colours of the dashboard, once: charts take them from here, widgets from `../.streamlit/config.toml`.

A colour always means the same: `up` (teal-blue) helps or moves up, `down` (burnt orange) hurts or moves down,
`target` (gold) is the held-out item, `same` (grey) is unchanged. In a prompt `demo` (violet) marks
demonstrations and `hint` (green) another recommender's list. Blue and orange can be distinguished with
any common colour-vision deficiency; an arrow or a sign accompanies every colour.
"""

from dataclasses import dataclass

FONT = '"Source Sans", sans-serif'


@dataclass(frozen=True)
class Palette:
    """Hex colours of one theme. `*_text`: for small text on the ground; `on_up`: for text on `up`."""

    text: str
    muted: str
    border: str
    background: str
    surface: str
    up: str
    up_text: str
    up_surface: str
    on_up: str
    down: str
    down_text: str
    down_surface: str
    target: str
    target_text: str
    target_surface: str
    same: str
    demo: str
    demo_surface: str
    hint: str
    hint_surface: str


LIGHT = Palette(
    text="#1f2633",
    muted="#5f6b7c",
    border="#dfe4ec",
    background="#ffffff",
    surface="#f4f7fa",
    up="#0b6e99",
    up_text="#0b6e99",
    up_surface="#e3f0f6",
    on_up="#ffffff",
    down="#c2551b",
    down_text="#b04a13",
    down_surface="#fdf1e7",
    target="#bf8f1f",
    target_text="#8a6400",
    target_surface="#fcf5e3",
    same="#98a1b0",
    demo="#7a5ea8",
    demo_surface="#f4f0fa",
    hint="#2a9d62",
    hint_surface="#eaf6ef",
)
DARK = Palette(
    text="#e5e9f0",
    muted="#a0aaba",
    border="#303947",
    background="#12161c",
    surface="#1a2029",
    up="#4fb3d9",
    up_text="#5fbde0",
    up_surface="#16303c",
    on_up="#12161c",
    down="#ee8b4a",
    down_text="#f2985c",
    down_surface="#33231a",
    target="#e0b64b",
    target_text="#e6c05f",
    target_surface="#2f2817",
    same="#7f8999",
    demo="#b39ddb",
    demo_surface="#262138",
    hint="#4cc38a",
    hint_surface="#16291f",
)


def palette(kind: str | None) -> Palette:
    """The palette of a theme type as `st.context.theme.type` gives it; light when it is not known yet."""
    return DARK if kind == "dark" else LIGHT
