"""Each pair as a point: what B's demonstrations add beyond A's, and how far B was preferred."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import plural
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT = 280
MARGIN = {"l": 54, "r": 16, "t": 10, "b": 46}
X = "what B's demonstrations add beyond A's (log-share)"
Y = "B's share"

Point = tuple[float, float, str]


def scatter(points: Sequence[Point], palette: Palette) -> go.Figure:
    """Blue where preference and effect say the same, orange where they say the opposite, else grey."""
    figure = go.Figure(layout=framed(palette, HEIGHT, MARGIN))
    figure.add_hline(y=0.5, line={"color": palette.muted, "width": 1.2, "dash": "dash"}, layer="below")
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1.2}, layer="below")
    figure.add_scatter(
        x=[more for more, _, _ in points],
        y=[share for _, share, _ in points],
        mode="markers",
        marker={
            "size": 10,
            "opacity": 0.75,
            "color": [getattr(palette, _colour(more, share)) for more, share, _ in points],
            "symbol": [_symbol(more, share) for more, share, _ in points],
        },
        hovertext=[svg(about, 120) for _, _, about in points],
        hoverinfo="text",
        cliponaxis=False,
    )
    figure.update_xaxes(title_text=X, tickformat="+.2~f")
    figure.update_yaxes(title_text=Y, range=[-0.06, 1.06], tickvals=[0, 0.5, 1], tickformat=".0%")
    return figure


def describe(points: Sequence[Point]) -> str:
    """One sentence for screen readers."""
    same = sum(_agrees(more, share) > 0 for more, share, _ in points)
    other = sum(_agrees(more, share) < 0 for more, share, _ in points)
    return (
        f"{plural(len(points), 'pair')}: in {same} the list whose demonstrations add more is preferred, in "
        f"{other} the other."
    )


def _agrees(more: float, share: float) -> float:
    return more * (share - 0.5)


def _colour(more: float, share: float) -> str:
    agrees = _agrees(more, share)
    return "up" if agrees > 0 else "down" if agrees < 0 else "same"


def _symbol(more: float, share: float) -> str:
    return "diamond" if _agrees(more, share) < 0 else "circle"
