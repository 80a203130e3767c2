"""The bars of the effects: their colour, sign and tick, and an axis that does not blow up noise."""

from typing import Any
from xml.etree import ElementTree

import pytest

from dashboard.screens.recommend import effects_chart
from dashboard.screens.recommend.effects_chart import Bar
from tests.support.shop import HOSTILE


def drawn(bars: list[Bar], **how: Any) -> ElementTree.Element:
    """The picture, which must be well-formed."""
    return ElementTree.fromstring(effects_chart.effects(bars, 70, **how))


def colours(picture: ElementTree.Element) -> list[str]:
    return [bar.attrib["class"] for bar in picture.iter("rect") if "class" in bar.attrib]


def at(bars: list[Bar], value: float) -> str:
    """Where a value stands on the axis of these bars."""
    low, high = effects_chart.span(bars)
    return f"{100 * (value - low) / (high - low):.2f}%"


def test_an_effect_has_its_colour_its_sign_and_its_tick() -> None:
    bars = [Bar("helps", 1.0, 0.9, 0.1), Bar("hurts", -0.5, -0.6, 0.1), Bar("nothing", 0.001, 0.0, None)]
    picture = drawn(bars)
    assert colours(picture) == ["up", "down", "same"]
    ticks = [line.attrib for line in picture.iter("line") if line.attrib["class"] == "text"]
    assert [tick["x1"] for tick in ticks] == [at(bars, value) for value in (0.9, -0.6, 0.0)]
    assert all(tick["x1"] == tick["x2"] for tick in ticks)
    numbers = list(picture.iter("text"))
    assert [number.text for number in numbers] == ["+1.00", "−0.50", "0.00"]
    assert [number.attrib["class"] for number in numbers] == ["up_text", "down_text", "muted"]
    assert picture.attrib["height"] == "210"


def test_a_bar_reaches_from_zero_to_its_effect() -> None:
    bars = [Bar("helps", 1.0, None, None), Bar("hurts", -0.5, None, None)]
    low, high = effects_chart.span(bars)
    found = [bar.attrib for bar in drawn(bars).iter("rect") if "class" in bar.attrib]
    assert [bar["x"] for bar in found] == [at(bars, 0.0), at(bars, -0.5)]
    assert [bar["width"] for bar in found] == [f"{100 * size / (high - low):.2f}%" for size in (1.0, 0.5)]


def test_stale_effects_are_grey_and_a_first_guess_is_pale() -> None:
    bars = [Bar("helps", 1.0, 0.9, 0.1)]
    assert colours(drawn(bars, stale=True)) == ["same"]
    guess = drawn(bars, tentative=True)
    assert [bar.attrib["opacity"] for bar in guess.iter("rect")] == ["0", str(effects_chart.PALE)]
    assert guess.findtext(".//text") == "≈ +1.0"


def test_an_unmeasured_effect_is_no_zero() -> None:
    assert drawn([Bar("new", None, None, None)]).findtext(".//text") == "…"
    assert effects_chart.describe([Bar("new", None, None, None)]).endswith("Not measured yet.")


def test_the_axis_holds_zero_and_does_not_blow_up_noise() -> None:
    low, high = effects_chart.span([Bar("x", 0.001, None, None)])
    assert low < 0 < high
    assert high - low >= 0.1
    low, high = effects_chart.span([Bar("x", -2.0, -2.5, None)])
    assert low < -2.5
    assert high > 0


def test_an_estimated_effect_has_its_interval_and_an_exact_one_none() -> None:
    estimated = Bar("about", 1.0, None, None, (0.4, 1.6), "log-share", ("only turned down +0.2",))
    exact = Bar("exactly", 0.5, None, None, (0.5, 0.5))
    bars = [estimated, exact]
    whiskers = [line.attrib for line in drawn(bars).iter("line") if line.attrib["class"] == "muted"]
    assert [(line["x1"], line["x2"]) for line in whiskers] == [
        (at(bars, 0.4), at(bars, 1.6)),
        (at(bars, 0.4), at(bars, 0.4)),
        (at(bars, 1.6), at(bars, 1.6)),
    ]
    assert effects_chart.span([estimated])[1] > 1.6
    hover = drawn(bars).findtext(".//title") or ""
    assert "95 % interval +0.400 to +1.600" in hover
    assert "only turned down +0.2" in hover
    assert "(95 % interval +0.40 to +1.60)" in effects_chart.describe(bars)


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_cannot_draw(title: str) -> None:
    picture = drawn([Bar(title, 1.0, None, None, notes=(title,))])
    assert {part.tag for part in picture.iter()} == {"svg", "g", "title", "rect", "line", "text"}
