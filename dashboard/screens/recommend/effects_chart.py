"""One bar per demonstration of the desk: its effect with its interval; a tick: that one left out alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import bare
from dashboard.text.formats import signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

NUMBER_PX = 52  # room for the signed number at the right
BAR = 13  # pixels


@dataclass(frozen=True)
class Bar:
    """What a demonstration adds to the measure (positive helps); None while it is not measured.

    `removal`: that one alone left out. `interval`: 95 %. `notes`: other readings, for the hover; plain text.
    """

    title: str
    effect: float | None
    removal: float | None
    mass: float | None
    interval: tuple[float, float] | None = None
    unit: str = "log-share"
    notes: tuple[str, ...] = ()

    @property
    def whisker(self) -> tuple[float, float] | None:
        """The interval, where the effect is estimated."""
        return self.interval if self.interval and self.interval[0] < self.interval[1] else None


def _hover(bar: Bar) -> str:
    if bar.effect is None:
        return "not measured yet"
    lines = [f"<b>{svg(bar.title, 120)}</b>", f"effect {signed(bar.effect, 3)} {bar.unit}"]
    if bar.whisker:
        lines.append(f"95 % interval {' to '.join(signed(end, 3) for end in bar.whisker)}")
    if bar.removal is not None:
        lines.append(f"that one alone left out {signed(bar.removal, 3)} {bar.unit}")
    lines += [svg(note, 80) for note in bar.notes]
    if bar.mass is not None:
        lines.append(f"{bar.mass * 100:.1f} % of the attention")
    return "<br>".join(lines)


def _number(bar: Bar, tentative: bool) -> str:
    if bar.effect is None:
        return "…"
    return f"≈ {signed(bar.effect, 1)}" if tentative else f"<b>{signed(bar.effect)}</b>"


def span(bars: Sequence[Bar]) -> tuple[float, float]:
    """The range of the axis: zero inside, never so narrow that noise fills it."""
    values = [
        value
        for bar in bars
        for value in (bar.effect, bar.removal, *(bar.whisker or ()))
        if value is not None
    ]
    low, high = min([0.0, *values]), max([0.0, *values])
    least = 0.1
    if high - low < least:
        high = low + least
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def _whisker(ends: tuple[float, float], row: int, palette: Palette) -> dict[str, Any]:
    """An interval, as `add_scatter` takes it."""
    return {
        "x": list(ends),
        "y": [row, row],
        "mode": "lines+markers",
        "line": {"color": palette.muted, "width": 1.5},
        "marker": {"symbol": "line-ns", "size": 7, "line": {"width": 1.5, "color": palette.muted}},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


PALE = 0.4  # opacity of a first guess


def effects(
    bars: Sequence[Bar], palette: Palette, row_px: int, *, stale: bool = False, tentative: bool = False
) -> go.Figure:
    """Bars in desk order, one per row of `row_px` pixels.

    `stale` draws all in grey (measured again now), `tentative` pale: a first guess, of unknown error.
    """
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
            "opacity": PALE if tentative else 1.0,
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
    for row, bar in enumerate(bars):
        if bar.whisker is not None:
            figure.add_scatter(**_whisker(bar.whisker, row, palette))
    figure.update_layout(  # all at once: figures check what they hold at every change
        template={},  # three quarters of what is sent otherwise, and nothing here is drawn by it
        xaxis_range=list(span(bars)),
        yaxis_range=[len(bars) - 0.5, -0.5],
        shapes=[
            {
                "type": "line",
                "xref": "x",
                "yref": "y domain",
                "x0": 0,
                "x1": 0,
                "y0": 0,
                "y1": 1,
                "line": {"color": palette.border, "width": 1},
                "layer": "below",
            }
        ],
        annotations=[
            {
                "x": 1.0,
                "xref": "paper",
                "xanchor": "right",
                "xshift": NUMBER_PX - 2,
                "y": row,
                "text": _number(bar, tentative),
                "showarrow": False,
                "font": {
                    "color": palette.muted
                    if tentative
                    else colour(bar.effect or 0.0, palette.up_text, palette.down_text, palette.muted),
                    "size": 14,
                },
            }
            for row, bar in enumerate(bars)
        ],
    )
    return figure


def describe(bars: Sequence[Bar]) -> str:
    """One sentence for screen readers."""
    parts = [
        f"{row}: {signed(bar.effect)}"
        + (f" (95 % interval {' to '.join(signed(end) for end in bar.whisker)})" if bar.whisker else "")
        for row, bar in enumerate(bars, start=1)
        if bar.effect is not None
    ]
    unit = bars[0].unit if bars else "log-share"
    return f"Effect of each demonstration, {unit}. " + (", ".join(parts) if parts else "Not measured yet.")
