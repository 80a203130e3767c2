"""What every figure shares: font, transparent ground, no axes, no tool bar."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.text.literal import plain
from dashboard.ui.theme import FONT, Palette

WIDTHS = {  # pixels of letters that are far from the usual 6, in Source Sans at 12 px
    **dict.fromkeys("iljtf.,:;'|!() ", 3.4),
    **dict.fromkeys("mwMW@%", 9.6),
}

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "typesetMath": False}


def bare(palette: Palette, height: int, margin: dict[str, int]) -> go.Layout:
    """A layout of fixed height (pixels) with nothing drawn but the traces."""
    axis = {"visible": False, "fixedrange": True}
    return go.Layout(
        height=height,
        margin={"autoexpand": False, "pad": 0, **margin},
        font={"family": FONT, "size": 12, "color": palette.text},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        xaxis=axis,
        yaxis=axis,
        hoverlabel={
            "bgcolor": palette.surface,
            "bordercolor": palette.border,
            "align": "left",
            "font": {"family": FONT, "size": 13, "color": palette.text},
        },
        transition={"duration": 0},
    )


def ends(
    figure: go.Figure,
    height: int,
    names: Sequence[tuple[float, str, str]],
    span: tuple[float, float],
    apart: float,
) -> None:
    """Names (value, text, ink) beside the ends of lines, at the right edge, at least `apart` pixels apart.

    `height`: pixels of the plot itself; `span`: the range of its axis.
    """
    low, high = span
    placed = sorted((height * (high - value) / (high - low), text, ink) for value, text, ink in names)
    places: list[float] = []
    for at, *_ in placed:
        places.append(max(at, places[-1] + apart) if places else at)
    over = (places[-1] - height) if places else 0.0
    for at in range(len(places) - 1, -1, -1):  # pushed out at the bottom: move up as far as needed
        if over > 0:
            places[at] = min(places[at], height - apart * (len(places) - 1 - at))
    for (_, text, ink), place in zip(placed, places, strict=True):
        figure.add_annotation(
            x=1.0,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=1 - place / height,
            yref="paper",
            align="left",
            text=text,
            showarrow=False,
            font={"color": ink, "size": 12},
        )


def framed(palette: Palette, height: int, margin: dict[str, int]) -> go.Layout:
    """`bare` with both axes: quiet horizontal lines, muted numbers, nothing to zoom or drag."""
    axis = {
        "visible": True,
        "fixedrange": True,
        "zeroline": False,
        "tickfont": {"color": palette.muted, "size": 12},
        "title": {"font": {"color": palette.muted, "size": 12}, "standoff": 8},
        "linecolor": palette.border,
        "gridcolor": palette.border,
    }
    layout = bare(palette, height, margin)
    layout.update(xaxis={**axis, "showgrid": False, "showline": True}, yaxis={**axis, "nticks": 6})
    return layout


def letters(title: str, room: float) -> int:
    """How many letters of a title fit into `room` pixels; all of them are in the hover text."""
    used = 0.0
    line = plain(title)
    for count, letter in enumerate(line):
        used += 12.0 if ord(letter) > 0x2E7F else WIDTHS.get(letter, 7.4 if letter.isupper() else 6.0)
        if used > room:
            return max(1, count - 1)
    return len(line)
