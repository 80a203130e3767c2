"""Means with their intervals, one row each: which is best, and which differences are more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard.charts.base import framed, letters
from dashboard.text.formats import number, signed
from dashboard.text.literal import plain, svg
from dashboard.ui.theme import Palette

ROW_PX = 26
LETTER = 12 / 13.5  # labels are written larger than `letters` counts
MARGIN = {"l": 236, "r": 62, "t": 8, "b": 40}


@dataclass(frozen=True)
class Dot:
    """A mean and its interval. `colour`: a name of the palette; `hover`: more about it, plain text.

    `tick`, `ring`: other values of the same thing, marked so.
    """

    label: str
    mean: float
    low: float | None
    high: float | None
    colour: str = "same"
    hover: str = ""
    tick: float | None = None
    ring: float | None = None


def dots(
    rows: Sequence[Dot],
    measure: str,
    palette: Palette,
    line: float | None = None,
    most: float | None = None,
    room: int = MARGIN["l"],
) -> go.Figure:
    """A row per dot in the order given, the mean as a number at the right edge.

    `line`: a value to compare with, dashed (zero: what gains are counted from, and then with their sign);
    `most`: the axis goes no further; `room`: pixels for the labels.
    """
    height = MARGIN["t"] + MARGIN["b"] + ROW_PX * max(1, len(rows))
    figure = go.Figure(layout=framed(palette, height, {**MARGIN, "l": room}))
    gains = line == 0
    _marks(figure, rows, palette)
    for at, row in enumerate(rows):
        if row.low is not None and row.high is not None:
            figure.add_scatter(
                x=[row.low, row.high],
                y=[at, at],
                mode="lines",
                line={"color": getattr(palette, row.colour), "width": 3},
                opacity=0.45,
                hoverinfo="skip",
            )
    figure.add_scatter(
        x=[row.mean for row in rows],
        y=list(range(len(rows))),
        mode="markers",
        marker={"size": 10, "color": [getattr(palette, row.colour) for row in rows]},
        hovertext=[_hover(row, measure) for row in rows],
        hoverinfo="text",
        cliponaxis=False,
    )
    if line is not None:
        dash = "solid" if gains else "dash"
        figure.add_vline(x=line, line={"color": palette.muted, "width": 1.2, "dash": dash}, layer="below")
    low, high = span(rows, line)
    figure.update_xaxes(
        range=[low, high if most is None else min(high, most + 0.02)],
        title_text=svg(measure, 60),
        showgrid=True,
        tickformat="+.2~f" if gains else ".2~f",
    )
    figure.update_yaxes(range=[len(rows) - 0.4, -0.6], visible=False)
    _labels(figure, rows, palette, room, gains=gains)
    return figure


def _labels(figure: go.Figure, rows: Sequence[Dot], palette: Palette, room: int, *, gains: bool) -> None:
    """What each row is, left of the plot, and its mean, right of it."""
    inks = {"up": palette.up_text, "down": palette.down_text, "same": palette.muted, "text": palette.text}
    for at, row in enumerate(rows):
        ink = inks.get(row.colour, palette.text)
        for x, anchor, shift, text, colour in (
            (0.0, "right", -10, svg(row.label, letters(row.label, LETTER * (room - 12))), palette.text),
            (1.0, "left", 10, f"<b>{signed(row.mean) if gains else number(row.mean, 3)}</b>", ink),
        ):
            figure.add_annotation(
                x=x,
                xref="paper",
                xanchor=anchor,
                xshift=shift,
                y=at,
                text=text,
                showarrow=False,
                font={"color": colour, "size": 13},
            )


def _marks(figure: go.Figure, rows: Sequence[Dot], palette: Palette) -> None:
    for field, symbol, size in (("tick", "line-ns", 13), ("ring", "circle-open", 13)):
        known = [(getattr(row, field), at) for at, row in enumerate(rows) if getattr(row, field) is not None]
        figure.add_scatter(
            x=[value for value, _ in known],
            y=[at for _, at in known],
            mode="markers",
            marker={
                "symbol": symbol,
                "size": size,
                "color": palette.text,
                "line": {"width": 1.8, "color": palette.text},
            },
            hoverinfo="skip",
        )


def span(rows: Sequence[Dot], line: float | None) -> tuple[float, float]:
    """The range of the axis: all means and intervals inside."""
    values = [v for row in rows for v in (row.mean, row.low, row.high, row.tick, row.ring) if v is not None]
    values += [line] if line is not None else []
    low, high = min(values, default=0.0), max(values, default=1.0)
    pad = 0.05 * (high - low) or 0.05
    return low - pad, high + pad


def _hover(row: Dot, measure: str) -> str:
    between = f" ({number(row.low, 3)} to {number(row.high, 3)})" if row.low is not None else ""
    told = f"<b>{svg(row.label, 80)}</b><br>{svg(measure, 40)} {number(row.mean, 3)}{between}"
    return f"{told}<br>{svg(row.hover, 160)}" if row.hover else told


def describe(rows: Sequence[Dot], measure: str) -> str:
    """One sentence for screen readers."""
    told = ", ".join(f"{plain(row.label, 60)} {number(row.mean, 3)}" for row in rows)
    return f"{measure}, highest first: {told}." if rows else f"{measure}: nothing measured."
