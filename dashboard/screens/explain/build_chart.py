"""Two pictures of one kind: the margin and the loss along additions, or along weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import number, signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 290
MARGIN = {"l": 52, "r": 56, "t": 30, "b": 44}
LEAST = 0.05  # of the margin: noise is drawn flat
Point = Mapping[str, Any]


def curve(
    points: Sequence[Point], along: str, title: str, hover: Sequence[str], palette: Palette
) -> go.Figure:
    """`along`: the field of the horizontal axis. The margin is solid with its axis on the left, the loss
    dotted with its axis, which runs downwards, on the right: for both, up is better."""
    layout: Any = framed(palette, HEIGHT_PX, MARGIN)
    figure, axis = go.Figure(layout=layout), layout.yaxis.to_plotly_json()
    figure.update_layout(
        yaxis2={
            **axis,
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "autorange": "reversed",
            "tickmode": "auto",
        }
    )
    places = [point[along] for point in points]
    lines = (
        ("loss", "y2", {"color": palette.same, "width": 2, "dash": "dot"}),
        ("margin", "y", {"color": palette.up, "width": 2.5}),
    )
    for name, at, line in lines:
        figure.add_scatter(
            x=places,
            y=[point[name] for point in points],
            yaxis=at,
            mode="lines+markers",
            line=line,
            marker={"size": 6 if len(points) < 20 else 3},
            hovertext=hover,
            hoverinfo="text",
        )
    values = [point["margin"] for point in points]
    pad = max(0.1 * (max(values) - min(values)), LEAST)
    figure.update_yaxes(range=[min(values) - pad, max(values) + pad], selector=0)
    step = max(1, len(places) // 10)
    whole = all(float(place).is_integer() for place in places)
    figure.update_xaxes(title_text=title, tickvals=places[::step] if whole else None)
    for text, place, anchor, ink in (
        ("— margin", 0.0, "left", palette.up_text),
        ("┄ loss of the title, nats", 1.0, "right", palette.muted),
    ):
        figure.add_annotation(
            x=place, y=1.0, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom", yshift=6,
            text=text, showarrow=False, font={"size": 12, "color": ink},
        )  # fmt: skip
    return figure


def added(points: Sequence[Point], titles: Sequence[str], palette: Palette) -> go.Figure:
    """The learning curve; `titles`: of the run's demonstrations."""
    hover = [
        f"<b>{_name(point, titles)}</b><br>margin {signed(point['margin'])}<br>"
        f"loss {number(point['loss'])} nats<br>rank {point['rank']:g}"
        for point in points
    ]
    return curve(points, "count", "demonstrations, the nearest to the query first", hover, palette)


def path(points: Sequence[Point], palette: Palette) -> go.Figure:
    """Along the weights; the run's own are at 1."""
    hover = [
        f"<b>weight {point['weight']:g}</b><br>margin {signed(point['margin'])}<br>"
        f"loss {number(point['loss'])} nats"
        for point in points
    ]
    figure = curve(points, "weight", "times the demonstrations' own weights", hover, palette)
    figure.add_vline(x=1.0, line={"color": palette.muted, "width": 1.2, "dash": "dash"}, layer="below")
    return figure


def describe(points: Sequence[Point], along: str) -> str:
    """One sentence for screen readers."""
    values = ", ".join(f"{point[along]:g}: {signed(point['margin'])}" for point in points)
    return f"The target's margin by {along}: {values}."


def _name(point: Point, titles: Sequence[str]) -> str:
    if point["place"] is None:
        return "no demonstration"
    return f"with number {point['place'] + 1} {svg(titles[point['place']], 40)}"
