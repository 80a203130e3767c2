"""A square per layer and head: what it contributes, or how much it looks at the demonstrations."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import signed
from dashboard.ui.theme import Palette

MARGIN = {"l": 44, "r": 12, "t": 8, "b": 44}
WIDTH_PX, MOST_PX, LEAST_PX = 400, 400, 150
LARGEST_PX = 30
Grid = Sequence[Sequence[float]]


def heads(values: Grid, reading: str, palette: Palette, chosen: tuple[int, int] | None = None) -> go.Figure:
    """`values` [layers][heads]; a click on a square selects it. `chosen`: layer and head that are ringed."""
    layers, width = len(values), len(values[0])
    places = [(layer, head) for layer in range(layers) for head in range(width)]
    numbers = [values[layer][head] for layer, head in places]
    most = max((abs(value) for value in numbers), default=0.0) or 1.0
    size = min(LARGEST_PX, MOST_PX / layers, WIDTH_PX / width)
    plot = min(MOST_PX, max(LEAST_PX, round(size * layers)))
    figure = go.Figure(layout=framed(palette, plot + MARGIN["t"] + MARGIN["b"], MARGIN))
    scale = (
        [[0.0, palette.down], [0.5, palette.surface], [1.0, palette.up]]
        if reading == "effect"
        else [[0.0, palette.surface], [1.0, palette.demo]]
    )
    figure.add_scatter(
        x=[head + 1 for _, head in places],
        y=[layer + 1 for layer, _ in places],
        mode="markers",
        marker={
            "symbol": "square",
            "size": max(3.0, 0.88 * size),
            "color": numbers,
            "colorscale": scale,
            "cmin": -most if reading == "effect" else 0.0,
            "cmax": most,
            "line": {
                "width": [2.5 if place == chosen else 0.5 for place in places],
                "color": [palette.text if place == chosen else palette.border for place in places],
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertext=[
            f"<b>layer {layer + 1}, head {head + 1}</b><br>{told(value, reading)}"
            for (layer, head), value in zip(places, numbers, strict=True)
        ],
        hoverinfo="text",
    )
    figure.update_xaxes(range=[0.4, width + 0.6], title_text="head", tickvals=_ticks(width), showline=False)
    figure.update_yaxes(
        range=[layers + 0.6, 0.4], title_text="layer", tickvals=_ticks(layers), showgrid=False
    )
    return figure


def told(value: float, reading: str) -> str:
    """A head's number in words."""
    return f"{signed(value, 3)} log-share" if reading == "effect" else f"{100 * value:.1f} % of its attention"


def describe(values: Grid, reading: str) -> str:
    """One sentence for screen readers."""
    ordered = sorted(
        ((value, layer, head) for layer, row in enumerate(values, 1) for head, value in enumerate(row, 1)),
        key=lambda one: -abs(one[0]),
    )
    few = [f"layer {layer} head {head} {told(value, reading)}" for value, layer, head in ordered[:5]]
    return f"{len(values)} layers of {len(values[0])} heads; the strongest: {', '.join(few)}."


def _ticks(count: int) -> list[Any]:
    step = max(1, -(-count // 12))
    return [1, *range(step if step > 1 else 2, count + 1, step)]
