"""What the dual model's step is made of: a row per layer, a column per demonstration."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

MARGIN = {"l": 44, "r": 12, "t": 8, "b": 44}
CELL_PX, MOST_PX, LEAST_PX = 26, 380, 110
PALE = 0.7


def step_map(result: Mapping[str, Any], titles: Sequence[str], palette: Palette) -> go.Figure:
    """Shares by layer; the darker, the more of the step. `titles`: of the run's demonstrations."""
    cells, shown = result["layers"], result["kept"]
    layers, count = len(cells), len(shown)
    plot = max(LEAST_PX, min(MOST_PX, CELL_PX * layers))
    figure = go.Figure(layout=framed(palette, plot + MARGIN["t"] + MARGIN["b"], MARGIN))
    numbers = list(range(1, count + 1))
    names = [f"{place + 1} {svg(titles[place], 40)}" for place in shown]
    figure.add_heatmap(
        z=cells, x=numbers, y=list(range(1, layers + 1)), zmin=0.0, zmax=max(0.01, _most(cells)),
        xgap=2, ygap=2,
        colorscale=[[0.0, palette.background], [1.0, palette.demo]], showscale=False, opacity=PALE,
        hoverinfo="text",
        hovertext=[
            [
                "" if value is None else f"<b>layer {layer}<br>{names[at]}</b><br>{100 * value:.1f} %"
                for at, value in enumerate(row)
            ]
            for layer, row in enumerate(cells, 1)
        ],
    )  # fmt: skip
    step = max(1, layers // 10)
    figure.update_xaxes(
        range=[0.5, count + 0.5], tickvals=numbers, ticktext=[str(place + 1) for place in shown],
        title_text="demonstration",
    )  # fmt: skip
    figure.update_yaxes(
        range=[layers + 0.5, 0.5],
        tickvals=list(range(1, layers + 1, step)),
        title_text="layer",
        showgrid=False,
    )
    return figure


def describe(result: Mapping[str, Any]) -> str:
    """One sentence for screen readers."""
    shares = [f"{at}: {100 * row['share']:.0f} %" for at, row in enumerate(result["rows"], 1)]
    return f"Share of the dual model's step, over all layers: {', '.join(shares)}."


def _most(cells: Sequence[Sequence[float | None]]) -> float:
    return max((value for row in cells for value in row if value is not None), default=0.0)
