"""Losses over the iterations of forward tuning (arXiv 2305.13016)."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import ends, framed
from dashboard.text.formats import number, plural, rank, signed
from dashboard.ui.theme import Palette

HEIGHT_PX = 240
MARGIN = {"l": 56, "r": 132, "t": 12, "b": 40}
APART_PX = 32
TARGET, PROBE = "target", "last interaction"
Point = Mapping[str, Any]


def forward(
    curve: Sequence[Point], palette: Palette, probe: Sequence[Point] = (), chosen: int | None = None
) -> go.Figure:
    """Changes of loss (nats, below zero is better) over iterations.

    The target's curve has the accent; grey is the known interaction that `chosen` (ringed) was chosen on.
    """
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    names, values = [], [0.0]
    for points, name, colour, ink in (
        (probe, PROBE, palette.same, palette.muted),
        (curve, TARGET, palette.up, palette.up_text),
    ):
        if not points:
            continue
        changes = [point["loss"] - points[0]["loss"] for point in points]
        values += changes
        names.append((changes[-1], f"<b>{signed(changes[-1])}</b><br>{name}", ink))
        times = [point["iteration"] for point in points]
        figure.add_scatter(
            x=times,
            y=changes,
            mode="lines+markers",
            line={"color": colour, "width": 2.5 if name == TARGET else 2},
            marker={"size": 7},
            hovertext=[_hover(name, point) for point in points],
            hoverinfo="text",
        )
        if chosen in times:
            ring = {"size": 14, "color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 2}}
            at = times.index(chosen)
            figure.add_scatter(x=[chosen], y=[changes[at]], mode="markers", marker=ring, hoverinfo="skip")
    low, high = min(values), max(values)
    pad = 0.12 * (high - low) or 0.1
    times = sorted({point["iteration"] for point in (*curve, *probe)}) or [0]
    step = max(1, len(times) // 12)
    figure.add_hline(y=0, line={"color": palette.muted, "width": 1.2}, layer="below")
    figure.update_xaxes(
        tickvals=times[::step], title_text="iterations", range=[times[0] - 0.2, times[-1] + 0.2]
    )
    figure.update_yaxes(range=[low - pad, high + pad], title_text="change of loss, nats", tickformat="+.2~f")
    ends(figure, HEIGHT_PX - MARGIN["t"] - MARGIN["b"], names, (low - pad, high + pad), APART_PX)
    return figure


def _hover(name: str, point: Point) -> str:
    lines = [
        f"<b>{plural(point['iteration'], 'iteration')}</b>",
        f"loss of the {name} {number(point['loss'], 3)} nats",
    ]
    if point.get("rank") is not None:
        lines.append(f"{rank(point)} in the list")
    if point.get("ndcg10") is not None:
        lines.append(f"NDCG@10 {number(point['ndcg10'], 3)}")
    return "<br>".join(lines)


def describe(curve: Sequence[Point]) -> str:
    """One sentence for screen readers."""
    losses = ", ".join(number(point["loss"]) for point in curve)
    return f"Loss of the target in nats, by iteration: {losses or 'nothing measured'}."
