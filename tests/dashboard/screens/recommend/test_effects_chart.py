"""The bars of the effects: their colour, sign and tick, and an axis that does not blow up noise."""

from dashboard.screens.recommend import effects_chart
from dashboard.screens.recommend.effects_chart import Bar
from dashboard.ui.theme import LIGHT


def test_an_effect_has_its_colour_its_sign_and_its_tick() -> None:
    bars = [Bar("helps", 1.0, 0.9, 0.1), Bar("hurts", -0.5, -0.6, 0.1), Bar("nothing", 0.001, 0.0, None)]
    figure = effects_chart.effects(bars, LIGHT, 70)
    bar, ticks = figure.data[0], figure.data[1]
    assert list(bar.marker.color) == [LIGHT.up, LIGHT.down, LIGHT.same]
    assert list(ticks.x) == [0.9, -0.6, 0.0]
    assert [note.text for note in figure.layout.annotations] == [
        "<b>+1.00</b>",
        "<b>−0.50</b>",
        "<b>0.00</b>",
    ]
    assert figure.layout.height == 210


def test_stale_effects_are_grey() -> None:
    figure = effects_chart.effects([Bar("helps", 1.0, 0.9, 0.1)], LIGHT, 70, stale=True)
    assert list(figure.data[0].marker.color) == [LIGHT.same]


def test_an_unmeasured_effect_is_no_zero() -> None:
    figure = effects_chart.effects([Bar("new", None, None, None)], LIGHT, 70)
    assert figure.layout.annotations[0].text == "…"
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
    figure = effects_chart.effects([estimated, exact], LIGHT, 70)
    whiskers = [list(trace.x) for trace in figure.data if trace.type == "scatter" and "lines" in trace.mode]
    assert whiskers == [[0.4, 1.6]]
    assert effects_chart.span([estimated])[1] > 1.6
    hover = figure.data[0].hovertext[0]
    assert "95 % interval +0.400 to +1.600" in hover
    assert "only turned down +0.2" in hover
    assert "(95 % interval +0.40 to +1.60)" in effects_chart.describe([estimated, exact])
