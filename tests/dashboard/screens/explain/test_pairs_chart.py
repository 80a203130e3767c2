"""The picture of pairs: symmetric, empty on its diagonal, orange where two teach the same."""

from dashboard.screens.explain.pairs_chart import PALE, describe, grid, pairs
from dashboard.ui.theme import DARK, LIGHT
from tests.dashboard.ui.test_theme import contrast

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


def blended(colour: str, ground: str) -> str:
    """The colour that a cell of the strongest interaction shows."""
    parts = [
        round(PALE * int(colour[at : at + 2], 16) + (1 - PALE) * int(ground[at : at + 2], 16))
        for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


def test_the_numbers_can_be_read_on_the_strongest_colours() -> None:
    for palette in (LIGHT, DARK):
        for colour in (palette.up, palette.down):
            assert contrast(palette.text, blended(colour, palette.background)) >= 4.5


def test_numbers_stand_beside_the_colours_in_both_themes() -> None:
    for palette in (LIGHT, DARK):
        figure = pairs(EFFECTS, ["<b>A</b>", "B", "C"], palette)
        heat = figure.data[0]
        assert (heat.zmin, heat.zmax) == (-0.9, 0.9)
        assert [colour for _, colour in heat.colorscale] == [palette.down, palette.background, palette.up]
        places = {(note.x, note.y): note.text for note in figure.layout.annotations}
        assert places == {
            **dict.fromkeys([(1, 2), (2, 1)], "−0.90"),
            **dict.fromkeys([(1, 3), (3, 1)], "+0.20"),
            **dict.fromkeys([(2, 3), (3, 2)], "0.00"),
        }
        assert figure.layout.xaxis.range == (0.5, 3.5)
        assert figure.layout.yaxis.range == (3.5, 0.5)
        assert "&lt;b&gt;A" in heat.hovertext[0][1]
        assert heat.hovertext[0][0] == ""
