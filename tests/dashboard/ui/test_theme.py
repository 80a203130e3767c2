"""Charts and widgets show the same colours, and text can be read on its ground."""

import re
import tomllib
from pathlib import Path

import pytest
from streamlit import config

import dashboard
from dashboard.ui.style import css
from dashboard.ui.theme import (
    DARK,
    LIGHT,
    Palette,
    palette,
)

CONFIG_FILE = Path(dashboard.__file__).parent / ".streamlit" / "config.toml"
CONFIG = tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
SAME = {
    "backgroundColor": "background",
    "secondaryBackgroundColor": "surface",
    "textColor": "text",
    "borderColor": "border",
    "primaryColor": "up",
    "blueColor": "up",
    "blueTextColor": "up_text",
    "blueBackgroundColor": "up_surface",
    "greenColor": "hint",
    "orangeColor": "down",
    "orangeTextColor": "down_text",
    "orangeBackgroundColor": "down_surface",
    "yellowColor": "target",
    "yellowTextColor": "target_text",
    "yellowBackgroundColor": "target_surface",
    "grayColor": "same",
    "grayTextColor": "muted",
    "dataframeHeaderTextColor": "muted",
}


@pytest.mark.parametrize(("name", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_widgets_have_the_colours_of_the_charts(name: str, colours: Palette) -> None:
    assert {option: CONFIG["theme"][name][option] for option in SAME} == {
        option: getattr(colours, field) for option, field in SAME.items()
    }


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_text_on_the_accent_has_contrast(colours: Palette) -> None:
    assert contrast(colours.on_up, colours.up) >= 4.5


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_popovers_and_dialogs_have_the_scheme_of_the_page(kind: str) -> None:
    assert f":root {{ color-scheme: {kind}; }}" in css(kind)


@pytest.mark.parametrize("ground", ["background", "surface", "target_surface"])
@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("ink", ["text", "muted", "up_text", "down_text", "target_text"])
def test_text_has_contrast(colours: Palette, ink: str, ground: str) -> None:
    """WCAG 2.1 AA for small text: 4.5 to 1."""
    assert contrast(getattr(colours, ink), getattr(colours, ground)) >= 4.5


@pytest.mark.parametrize("ground", ["up_surface", "demo_surface", "hint_surface"])
@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("ink", ["text", "muted"])
def test_a_prompt_can_be_read_on_the_ground_of_each_segment(colours: Palette, ink: str, ground: str) -> None:
    assert contrast(getattr(colours, ink), getattr(colours, ground)) >= 4.5


def test_nothing_is_sent_and_nothing_is_fetched() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert "http" not in CONFIG_FILE.read_text(encoding="utf-8")


def test_nobody_is_asked_for_an_address_before_the_page_opens() -> None:
    """Streamlit's prompt on a first start waits for an answer, also where nobody can give one."""
    assert CONFIG["server"]["showEmailPrompt"] is False
    assert CONFIG["logger"]["hideWelcomeMessage"] is True  # nor offered Streamlit's own extras on the page
    assert {"server.showEmailPrompt", "logger.hideWelcomeMessage"} <= set(config._config_options_template)


def test_the_theme_is_light_until_it_is_known() -> None:
    assert palette(None) is LIGHT
    assert palette("dark") is DARK


def test_the_style_sheet_holds_in_both_themes() -> None:
    assert "$" not in css(None)
    assert f"light-dark({LIGHT.target_surface}, {DARK.target_surface})" in css("dark")


def test_no_rule_makes_the_browser_look_through_the_whole_page() -> None:
    """`:has` on the page itself, or asking for a part of an attribute, has to be answered anew for every part
    that is drawn: of a moved weight it took the browser half a second."""
    asked = re.findall(r"([^\s,{}]*):has\((.*?)\)\s", css("light"))
    assert asked
    for subject, inner in asked:
        assert ".stApp" not in subject, inner
        assert "[" not in inner, subject
