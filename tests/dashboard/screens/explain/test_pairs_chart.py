"""The picture of pairs: symmetric, empty on its diagonal, orange where two teach the same."""

from dashboard.screens.explain.pairs_chart import describe, grid, pairs
from dashboard.ui.theme import DARK, LIGHT

EFFECTS = {
    "measure": "margin",
    "demonstrations": [{"id": name} for name in "abc"],
    "interactions": [
        {"first": "a", "second": "b", "interaction": -0.9},
        {"first": "a", "second": "c", "interaction": 0.2},
        {"first": "b", "second": "c", "interaction": 0.0},
    ],
}


def test_each_pair_stands_twice_and_nothing_beside_itself() -> None:
    assert grid(EFFECTS) == [[None, -0.9, 0.2], [-0.9, None, 0.0], [0.2, 0.0, None]]
    assert describe(EFFECTS) == (
        "Interaction of every pair, log-share. 1 and 2: −0.90, 1 and 3: +0.20, 2 and 3: 0.00."
    )


def test_numbers_stand_beside_the_colours_in_both_themes() -> None:
    for palette in (LIGHT, DARK):
        figure = pairs(EFFECTS, ["<b>A</b>", "B", "C"], palette)
        heat = figure.data[0]
        assert (heat.zmin, heat.zmax) == (-0.9, 0.9)
        assert [colour for _, colour in heat.colorscale] == [palette.down, palette.background, palette.up]
        assert len(figure.layout.annotations) == 6
        assert "&lt;b&gt;A" in heat.hovertext[0][1]
        assert heat.hovertext[0][0] == ""
