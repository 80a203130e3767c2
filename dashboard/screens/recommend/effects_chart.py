"""One bar per demonstration of the desk: its effect on the target's loss; a tick: it alone left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard.charts.base import bare
from dashboard.text.formats import signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

NUMBER_PX = 52  # room for the signed number at the right
BAR = 13  # pixels


@dataclass(frozen=True)
class Bar:
    """Nats a demonstration takes off the target's loss (positive helps); None while it is not measured."""

    title: str
    effect: float | None
    removal: float | None
    mass: float | None


def _hover(bar: Bar) -> str:
    if bar.effect is None:
        return "not measured yet"
    lines = [f"<b>{svg(bar.title, 120)}</b>", f"effect {signed(bar.effect, 3)} nats"]
    if bar.removal is not None:
        lines.append(f"that one alone left out {signed(bar.removal, 3)} nats")
    if bar.mass is not None:
        lines.append(f"{bar.mass * 100:.1f} % of the attention")
    return "<br>".join(lines)


def span(bars: Sequence[Bar]) -> tuple[float, float]:
    """The range of the axis in nats: zero inside, never so narrow that noise fills it."""
    values = [value for bar in bars for value in (bar.effect, bar.removal) if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    least = 0.1
    if high - low < least:
        high = low + least
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def effects(bars: Sequence[Bar], palette: Palette, row_px: int, *, stale: bool = False) -> go.Figure:
    """Bars in desk order, one per row of `row_px` pixels; `stale` draws all in grey (measured again now)."""
    figure = go.Figure(
        layout=bare(palette, row_px * max(1, len(bars)), {"l": 2, "r": NUMBER_PX, "t": 0, "b": 0})
    )
    rows = list(range(len(bars)))
    values = [bar.effect or 0.0 for bar in bars]

    def colour(value: float, up: str, down: str, none: str) -> str:
        return none if stale or not round(value, 2) else up if value > 0 else down

    figure.add_bar(
        x=values,
        y=rows,
        orientation="h",
        width=BAR / row_px,
        marker={
            "color": [colour(v, palette.up, palette.down, palette.same) for v in values],
            "line": {"width": 0},
        },
        hovertext=[_hover(bar) for bar in bars],
        hoverinfo="text",
    )
    ticks = [(bar.removal, row) for bar, row in zip(bars, rows, strict=True) if bar.removal is not None]
    figure.add_scatter(
        x=[value for value, _ in ticks],
        y=[row for _, row in ticks],
        mode="markers",
        marker={
            "symbol": "line-ns",
            "size": 11,
            "line": {"width": 2.2, "color": palette.muted if stale else palette.text},
        },
        hoverinfo="skip",
        cliponaxis=False,
    )
    figure.update_xaxes(range=list(span(bars)))
    figure.update_yaxes(range=[len(bars) - 0.5, -0.5])
    figure.add_vline(x=0, line={"color": palette.border, "width": 1}, layer="below")
    for row, bar in enumerate(bars):
        ink = colour(bar.effect or 0.0, palette.up_text, palette.down_text, palette.muted)
        figure.add_annotation(
            x=1.0,
            xref="paper",
            xanchor="right",
            xshift=NUMBER_PX - 2,
            y=row,
            text="…" if bar.effect is None else f"<b>{signed(bar.effect)}</b>",
            showarrow=False,
            font={"color": ink, "size": 14},
        )
    return figure


def describe(bars: Sequence[Bar]) -> str:
    """One sentence for screen readers."""
    parts = [
        f"{row}: {signed(bar.effect)}" for row, bar in enumerate(bars, start=1) if bar.effect is not None
    ]
    return "Effect of each demonstration in nats. " + (", ".join(parts) if parts else "Not measured yet.")
