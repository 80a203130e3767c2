"""Every user's gain between two rows, the largest first: a bar up or down each."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import rank_number, signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 250
MARGIN = {"l": 58, "r": 12, "t": 8, "b": 40}
Gain = Mapping[str, Any]


def gain_bars(users: Sequence[Gain], measure: str, palette: Palette) -> go.Figure:
    """`users`: `{user, gain, rank_before, rank_after}`, by falling gain. A bar of no height has a mark."""
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    places = list(range(1, len(users) + 1))
    colours = [palette.up if row["gain"] > 0 else palette.down for row in users]
    hovers = [hover(row, measure) for row in users]
    figure.add_bar(
        x=places,
        y=[row["gain"] for row in users],
        marker={"color": colours, "line": {"width": 0}},
        hovertext=hovers,
        hoverinfo="text",
    )
    same = [place for place, row in zip(places, users, strict=True) if not row["gain"]]
    figure.add_scatter(
        x=same,
        y=[0] * len(same),
        mode="markers",
        marker={"size": 4, "color": palette.same},
        hovertext=[hovers[place - 1] for place in same],
        hoverinfo="text",
    )
    figure.add_hline(y=0, line={"color": palette.muted, "width": 1}, layer="below")
    figure.update_layout(bargap=0.15)
    figure.update_xaxes(title_text="users, largest gain first", tickformat="d")
    figure.update_yaxes(title_text=svg(f"gain in {measure}", 40), tickformat="+.1f")
    return figure


def hover(row: Gain, measure: str) -> str:
    """A user's gain and ranks, as Plotly reads them."""
    ranks = f"rank {rank_number(row.get('rank_before'))} to {rank_number(row.get('rank_after'))}"
    return f"<b>{svg(row['user'], 60)}</b><br>{signed(row['gain'], 3)} {svg(measure, 20)}<br>{ranks}"


def describe_gains(users: Sequence[Gain], measure: str) -> str:
    """One sentence for screen readers."""
    up, down = (sum(way * row["gain"] > 0 for row in users) for way in (1, -1))
    return (
        f"Gain in {measure} of each user, largest first: {up} gain, {down} lose, "
        f"{len(users) - up - down} keep what they had."
    )
