"""The target's loss over passes through the demonstrations (iterative forward tuning, arXiv 2305.13016)."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import ends, framed
from dashboard.formats import number, ordinal
from dashboard.theme import Palette

HEIGHT_PX = 240
MARGIN = {"l": 56, "r": 132, "t": 12, "b": 40}
PROBE = "last known purchase"
APART_PX = 32
Point = Mapping[str, Any]


def forward(
    curve: Sequence[Point],
    palette: Palette,
    before: float | None = None,
    probe: Sequence[Point] = (),
    chosen: int | None = None,
) -> go.Figure:
    """Losses (nats) over times read again: of the target, and in grey of the past purchase that chooses.

    `before`: the loss without demonstrations; `chosen`: the point that is ringed.
    """
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    xs, ys = [point["iteration"] for point in curve], [point["loss"] for point in curve]
    if probe:
        figure.add_scatter(
            x=[point["iteration"] for point in probe],
            y=[point["loss"] for point in probe],
            mode="lines+markers",
            line={"color": palette.same, "width": 2},
            marker={"size": 5},
            hovertext=[f"{PROBE}<br>{_hover(point)}" for point in probe],
            hoverinfo="text",
        )
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines+markers",
        line={"color": palette.up, "width": 2.5},
        marker={"size": 7},
        hovertext=[_hover(point) for point in curve],
        hoverinfo="text",
    )
    names = [(before, "no demonstrations", palette.muted)] if before is not None else []
    names += [(probe[-1]["loss"], PROBE, palette.muted)] if probe else []
    if before is not None:
        line = {"color": palette.muted, "width": 1.2, "dash": "dash"}
        figure.add_hline(y=before, line=line, layer="below")
    if ys:
        names.append((ys[-1], "target", palette.up_text))
    if chosen is not None and chosen in xs:
        at = xs.index(chosen)
        ring = {"size": 13, "color": "rgba(0,0,0,0)", "line": {"color": palette.up, "width": 2}}
        figure.add_scatter(x=[xs[at]], y=[ys[at]], mode="markers", marker=ring, hoverinfo="skip")
    values = [*ys, *(point["loss"] for point in probe), *([before] if before is not None else [])]
    low, high = min(values, default=0.0), max(values, default=1.0)
    pad = 0.12 * (high - low) or 0.1
    figure.update_xaxes(
        tickvals=xs, title_text="times read again", range=[min(xs, default=0) - 0.2, max(xs, default=1) + 0.2]
    )
    figure.update_yaxes(range=[low - pad, high + pad], title_text="loss, nats", tickformat=".2~f")
    told = [(value, f"<b>{number(value)}</b><br>{name}", ink) for value, name, ink in names]
    ends(figure, HEIGHT_PX - MARGIN["t"] - MARGIN["b"], told, (low - pad, high + pad), APART_PX)
    return figure


def _hover(point: Point) -> str:
    lines = [f"<b>read again {point['iteration']} times</b>", f"loss {number(point['loss'], 3)} nats"]
    if point.get("rank") is not None:
        lines.append(f"{ordinal(point['rank'])} in the list")
    if point.get("ndcg10") is not None:
        lines.append(f"NDCG@10 {number(point['ndcg10'], 3)}")
    return "<br>".join(lines)


def describe(curve: Sequence[Point]) -> str:
    """One sentence for screen readers."""
    told = ", ".join(number(point["loss"]) for point in curve)
    return f"Loss of the target in nats, pass by pass: {told or 'nothing measured'}."
