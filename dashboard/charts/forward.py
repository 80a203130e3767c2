"""The target's loss over passes through the demonstrations (iterative forward tuning, arXiv 2305.13016)."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.formats import number, ordinal
from dashboard.theme import Palette

HEIGHT_PX = 240
MARGIN = {"l": 56, "r": 96, "t": 12, "b": 40}
Point = Mapping[str, Any]


def forward(curve: Sequence[Point], palette: Palette, before: float | None = None) -> go.Figure:
    """A line of losses (nats) over passes, the best ringed; `before`: the loss without demonstrations."""
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    xs, ys = [point["iteration"] for point in curve], [point["loss"] for point in curve]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines+markers",
        line={"color": palette.up, "width": 2.5},
        marker={"size": 7},
        hovertext=[_hover(point) for point in curve],
        hoverinfo="text",
    )
    ends = [(before, "without", palette.muted)] if before is not None else []
    if before is not None:
        line = {"color": palette.muted, "width": 1.2, "dash": "dash"}
        figure.add_hline(y=before, line=line, layer="below")
    if ys:
        at = ys.index(min(ys))
        ring = {"size": 13, "color": "rgba(0,0,0,0)", "line": {"color": palette.up, "width": 2}}
        figure.add_scatter(x=[xs[at]], y=[ys[at]], mode="markers", marker=ring, hoverinfo="skip")
        ends.append((ys[-1], "with", palette.up_text))
    values = [*ys, *([before] if before is not None else [])]
    low, high = min(values, default=0.0), max(values, default=1.0)
    pad = 0.12 * (high - low) or 0.1
    figure.update_xaxes(
        tickvals=xs, title_text="pass", range=[min(xs, default=0) - 0.2, max(xs, default=1) + 0.2]
    )
    figure.update_yaxes(range=[low - pad, high + pad], title_text="loss, nats", tickformat=".2~f")
    for value, name, ink in ends:
        figure.add_annotation(
            x=1.0,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=value,
            text=f"<b>{number(value)}</b> {name}",
            showarrow=False,
            font={"color": ink, "size": 12},
        )
    return figure


def _hover(point: Point) -> str:
    lines = [f"<b>pass {point['iteration']}</b>", f"loss {number(point['loss'], 3)} nats"]
    if point.get("rank") is not None:
        lines.append(f"{ordinal(point['rank'])} in the list")
    if point.get("ndcg10") is not None:
        lines.append(f"NDCG@10 {number(point['ndcg10'], 3)}")
    return "<br>".join(lines)


def describe(curve: Sequence[Point]) -> str:
    """One sentence for screen readers."""
    told = ", ".join(number(point["loss"]) for point in curve)
    return f"Loss of the target in nats, pass by pass: {told or 'nothing measured'}."
