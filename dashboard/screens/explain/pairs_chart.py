"""The interaction of every pair of demonstrations as a k x k picture: which of them teach the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette
from db.effect_results import UNITS

CELL_PX, MOST_PX = 44, 380
MARGIN = {"l": 34, "r": 14, "t": 8, "b": 40}
PALE = 0.55  # so that the numbers can be read on the strongest colour, in both themes
NUMBERED = 9  # demonstrations up to which cells carry their numbers
LEAST = 0.1  # the scale is never so fine that noise has colour


def grid(effects: Mapping[str, Any]) -> list[list[float | None]]:
    """Interactions [k][k] in prompt order, None on the diagonal."""
    place = {entry["id"]: at for at, entry in enumerate(effects["demonstrations"])}
    cells: list[list[float | None]] = [[None] * len(place) for _ in place]
    for pair in effects["interactions"] or ():
        first, second = place[pair["first"]], place[pair["second"]]
        cells[first][second] = cells[second][first] = pair["interaction"]
    return cells


def pairs(effects: Mapping[str, Any], titles: Sequence[str], palette: Palette) -> go.Figure:
    """Below zero: one makes the other worth less. `titles`: of the demonstrations, for the hover."""
    cells, count = grid(effects), len(titles)
    numbers = list(range(1, count + 1))  # no names: those of digits are taken for places
    names = [f"{at} {svg(title, 40)}" for at, title in enumerate(titles, start=1)]
    unit = UNITS[effects["measure"]]
    most = max([LEAST, *(abs(value) for row in cells for value in row if value is not None)])
    height = MARGIN["t"] + MARGIN["b"] + min(MOST_PX, CELL_PX * count)
    figure = go.Figure(layout=framed(palette, height, MARGIN))
    figure.add_heatmap(
        z=cells,
        x=numbers,
        y=numbers,
        zmin=-most,
        zmax=most,
        colorscale=[[0.0, palette.down], [0.5, palette.background], [1.0, palette.up]],
        showscale=False,
        opacity=PALE,
        xgap=2,
        ygap=2,
        hovertext=[
            [
                "" if value is None else f"<b>{names[row]}<br>{names[column]}</b><br>{signed(value)} {unit}"
                for column, value in enumerate(line)
            ]
            for row, line in enumerate(cells)
        ],
        hoverinfo="text",
    )
    for row, line in enumerate(cells):
        for column, value in enumerate(line):
            if value is not None and count <= NUMBERED:
                figure.add_annotation(
                    x=numbers[column],
                    y=numbers[row],
                    text=signed(value),
                    showarrow=False,
                    font={"size": 12, "color": palette.text},
                )
    ends = [0.5, count + 0.5]
    figure.update_xaxes(range=ends, tickvals=numbers, title_text="demonstration", showgrid=False)
    figure.update_yaxes(range=ends[::-1], tickvals=numbers, showgrid=False)
    return figure


def describe(effects: Mapping[str, Any]) -> str:
    """One sentence for screen readers."""
    cells = grid(effects)
    said = [
        f"{row + 1} and {column + 1}: {signed(value)}"
        for row, line in enumerate(cells)
        for column, value in enumerate(line)
        if column > row and value is not None
    ]
    return f"Interaction of every pair, {UNITS[effects['measure']]}. {', '.join(said)}."
