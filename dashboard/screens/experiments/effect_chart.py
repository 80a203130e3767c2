"""What demonstrations do to the margin against what they bring: a point per user."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.screens.experiments.gain_chart import hover
from dashboard.text.formats import number, signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 300
MARGIN = {"l": 58, "r": 12, "t": 8, "b": 40}


def effect_points(users: Sequence[Mapping[str, Any]], measure: str, palette: Palette) -> go.Figure:
    """`users`: `{user, gain, effect, rank_before, rank_after}`, all with an effect (nats)."""
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    figure.add_vline(x=0, line={"color": palette.border, "width": 1}, layer="below")
    figure.add_hline(y=0, line={"color": palette.muted, "width": 1}, layer="below")
    ways = [(row["gain"] > 0) - (row["gain"] < 0) for row in users]
    figure.add_scatter(
        x=[row["effect"] for row in users],
        y=[row["gain"] for row in users],
        mode="markers",
        marker={
            "size": 9,
            "opacity": 0.75,
            "color": [(palette.same, palette.up, palette.down)[way] for way in ways],
            "symbol": [("circle", "triangle-up", "triangle-down")[way] for way in ways],
        },
        hovertext=[f"{hover(row, measure)}<br>effect {signed(row['effect'])} nats" for row in users],
        hoverinfo="text",
        cliponaxis=False,
    )
    figure.update_xaxes(title_text="effect of the demonstrations on the margin (nats)", showgrid=True)
    figure.update_yaxes(title_text=svg(f"gain in {measure}", 40), tickformat="+.1f")
    return figure


def describe_effects(users: Sequence[Mapping[str, Any]], correlation: Mapping[str, Any] | None) -> str:
    """One sentence for screen readers."""
    known = "not measured" if correlation is None else number(correlation["spearman"])
    return f"Effect against gain of {len(users)} users; rank correlation {known}."
