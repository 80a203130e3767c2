"""The order map as one picture: orders, each demonstration at each place, the target's place in a list."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.text.formats import ordinal, signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 330
MARGIN = {"l": 52, "r": 16, "t": 34, "b": 44}
PALE = 0.55  # numbers stay readable on the strongest colour, in both themes
LEAST = 0.05  # of a log-share: noise has no colour
NUMBERED = 8  # demonstrations up to which cells carry their numbers
Result = Mapping[str, Any]


def order_map(result: Result, titles: Sequence[str], palette: Palette) -> go.Figure:
    """`titles`: of all the run's demonstrations, for the hover."""
    layout: Any = framed(palette, HEIGHT_PX, MARGIN)
    figure = go.Figure(layout=layout)
    panels = [(0.0, 0.2), (0.29, 0.6), (0.69, 1.0)] if result["places"] else [(0.0, 0.28), (0.42, 1.0)]
    base = layout.xaxis.to_plotly_json(), layout.yaxis.to_plotly_json()
    for number, domain in enumerate(panels[1:], start=2):
        figure.update_layout({f"xaxis{number}": {**base[0], "domain": domain, "anchor": f"y{number}"}})
        figure.update_layout({f"yaxis{number}": {**base[1], "anchor": f"x{number}"}})
    figure.update_xaxes(domain=panels[0], selector=0)
    _orders(figure, result, palette)
    _cells(figure, result, titles, palette)
    if result["places"]:
        _places(figure, result["places"], palette)
    names = ("Margin of each order", "Mean change, by place", "Target's place in a list")
    for (start, _), name in zip(panels, names, strict=False):
        figure.add_annotation(
            x=start, y=1.0, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=10,
            text=f"<b>{name}</b>", showarrow=False, font={"size": 12, "color": palette.text},
        )  # fmt: skip
    return figure


def _orders(figure: go.Figure, result: Result, palette: Palette) -> None:
    """A dot per order, as deep as its margin; the run's own is larger."""
    rows = result["orders"]
    spread = [((7 * at) % 5 - 2) / 5 for at in range(len(rows))]  # side by side, not on each other
    figure.add_scatter(
        x=spread,
        y=[row["margin"] for row in rows],
        mode="markers",
        marker={
            "size": [12 if not at else 7 for at in range(len(rows))],
            "color": [palette.up if not at else palette.same for at in range(len(rows))],
            "line": {"width": 0},
        },
        hovertext=[
            f"<b>{' '.join(str(demo + 1) for demo in row['order'])}{' (the run)' if not at else ''}</b><br>"
            f"margin {signed(row['margin'])}<br>rank {row['rank']:g}"
            for at, row in enumerate(rows)
        ],
        hoverinfo="text",
    )
    own = rows[0]["margin"]
    figure.add_annotation(
        x=spread[0], y=own, text="this run", showarrow=False, xshift=-10, xanchor="right",
        font={"size": 12, "color": palette.up_text},
    )  # fmt: skip
    figure.update_layout(
        xaxis={"range": [-1.2, 0.7], "visible": False},
        yaxis={"title_text": "margin", "range": _wide([row["margin"] for row in rows])},
    )


def _wide(values: Sequence[float]) -> list[float]:
    """A range around values that is never so narrow that noise looks like a difference."""
    low, high = min(values), max(values)
    pad = max(0.1 * (high - low), LEAST)
    return [low - pad, high + pad]


def _cells(figure: go.Figure, result: Result, titles: Sequence[str], palette: Palette) -> None:
    """Demonstrations down, places across; blue where it helps to stand there."""
    cells, shown = result["cells"], result["shown"]
    count = len(cells)
    places = list(range(1, count + 1))
    most = max([LEAST, *(abs(value) for row in cells for value in row if value is not None)])
    figure.add_heatmap(
        z=cells, x=places, y=places, xaxis="x2", yaxis="y2", zmin=-most, zmax=most, opacity=PALE, xgap=2,
        ygap=2, showscale=False, hoverinfo="text",
        colorscale=[[0.0, palette.down], [0.5, palette.background], [1.0, palette.up]],
        hovertext=[
            [
                f"<b>{shown[row] + 1} {svg(titles[shown[row]], 40)}</b><br>{ordinal(place)}: {signed(value)}"
                for place, value in zip(places, line, strict=True)
            ]
            for row, line in enumerate(cells)
        ],
    )  # fmt: skip
    if count <= NUMBERED:
        for row, line in enumerate(cells):
            for place, value in zip(places, line, strict=True):
                figure.add_annotation(
                    x=place, y=row + 1, xref="x2", yref="y2", text=signed(value), showarrow=False,
                    font={"size": 12, "color": palette.text},
                )  # fmt: skip
    ends = [0.5, count + 0.5]
    step = max(1, count // 10)
    figure.update_layout(
        xaxis2={"range": ends, "tickvals": places[::step], "title_text": "place in the prompt"},
        yaxis2={
            "range": ends[::-1], "tickvals": places[::step], "showgrid": False,
            "ticktext": [str(demo + 1) for demo in shown[::step]], "title_text": "demonstration",
        },
    )  # fmt: skip


def _places(figure: go.Figure, places: Result, palette: Palette) -> None:
    """The target's margin at each place of the list, with and without demonstrations."""
    rows = places["rows"]
    both = [row[name] for row in rows for name in ("margin", "without")]
    for row, (name, label, colour, ink, dash) in enumerate(
        (
            ("without", "┄ without demonstrations", palette.same, palette.muted, "dot"),
            ("margin", "— with demonstrations", palette.up, palette.up_text, "solid"),
        )
    ):
        figure.add_scatter(
            x=[each["place"] for each in rows], y=[each[name] for each in rows], xaxis="x3", yaxis="y3",
            mode="lines+markers", line={"color": colour, "width": 2, "dash": dash}, marker={"size": 6},
            hovertext=[
                f"<b>target {ordinal(each['place'])}</b><br>margin {signed(each[name])} {label[2:]}"
                for each in rows
            ],
            hoverinfo="text",
        )  # fmt: skip
        figure.add_annotation(
            x=0.02, y=0.02 + 0.08 * row, xref="x3 domain", yref="y3 domain", text=label, showarrow=False,
            xanchor="left", yanchor="bottom", font={"size": 12, "color": ink},
        )  # fmt: skip
    figure.update_layout(
        xaxis3={"title_text": "target's place in the list", "range": [0.4, places["size"] + 0.6]},
        yaxis3={"title_text": "margin", "title_standoff": 2, "range": _wide(both)},
    )


def describe(result: Result) -> str:
    """One sentence for screen readers."""
    margins = ", ".join(signed(row["margin"]) for row in result["orders"])
    said = f"Margins of {len(result['orders'])} orders, the run's first: {margins}."
    if result["places"]:
        rows = result["places"]["rows"]
        said += f" By the target's place: {', '.join(signed(row['margin']) for row in rows)}."
    return said
