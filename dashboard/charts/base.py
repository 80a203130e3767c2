"""What every figure shares: font, transparent ground, no axes, no tool bar."""

import plotly.graph_objects as go

from dashboard.theme import FONT, Palette

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
