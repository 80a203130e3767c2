"""NDCG@10 of each row against what it costs; a line joins the rows that no other one beats in both."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed, letters
from dashboard.text.formats import count, number
from dashboard.text.literal import plain, svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 330
MARGIN = {"l": 58, "r": 150, "t": 24, "b": 44}
LABEL_PX = 190
SHIFT_PX = 10
NEAR = {"cost": 0.4, "ndcg10": 0.08}  # of the range: nearer than this in both, labels would meet
Row = Mapping[str, Any]


def frontier(
    rows: Sequence[Row], unit: str, palette: Palette, best: str = "", cheapest: str = ""
) -> go.Figure:
    """`rows`: `{key, label, cost, ndcg10, on}`; best, cheapest: keys of the highest and of the cheapest row
    that is not inferior to it."""
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    on = sorted((row for row in rows if row.get("on")), key=lambda row: row["cost"])
    figure.add_scatter(
        x=[row["cost"] for row in on],
        y=[row["ndcg10"] for row in on],
        mode="lines",
        line={"color": palette.up, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[row["cost"] for row in rows],
        y=[row["ndcg10"] for row in rows],
        mode="markers",
        marker={
            "size": 11,
            "color": [palette.up if row.get("on") else palette.same for row in rows],
            "symbol": [_symbol(row, best, cheapest) for row in rows],
            "line": {"width": 1, "color": palette.text},
        },
        hovertext=[_hover(row, unit) for row in rows],
        hoverinfo="text",
        cliponaxis=False,
    )
    named = [row for row in rows if row.get("on") or row["key"] in (best, cheapest)]
    for row, shift in zip(named, _shifts(named, rows), strict=True):
        _label(figure, row, shift, palette)
    figure.update_xaxes(title_text=svg(f"mean {unit} per list", 40), showgrid=True)
    figure.update_yaxes(title_text="NDCG@10", tickformat=".2f")
    return figure


def _symbol(row: Row, best: str, cheapest: str) -> str:
    return "star" if row["key"] == cheapest else "diamond" if row["key"] == best else "circle"


def _shifts(named: Sequence[Row], rows: Sequence[Row]) -> list[int]:
    """Pixels that each label stands above its point; of two points that lie together, the lower one's stands
    below it."""
    span = {of: max(row[of] for row in rows) - min(row[of] for row in rows) or 1.0 for of in NEAR}

    def near(one: Row, other: Row) -> bool:
        return all(abs(one[of] - other[of]) < share * span[of] for of, share in NEAR.items())

    def standing(row: Row) -> tuple[float, float]:
        return row["ndcg10"], -row["cost"]

    return [
        -SHIFT_PX
        if any(near(row, other) and standing(row) < standing(other) for other in named if other is not row)
        else SHIFT_PX
        for row in named
    ]


def _label(figure: go.Figure, row: Row, shift: int, palette: Palette) -> None:
    figure.add_annotation(
        x=row["cost"],
        y=row["ndcg10"],
        text=svg(row["label"], letters(str(row["label"]), LABEL_PX)),
        showarrow=False,
        xanchor="left",
        xshift=10,
        yshift=shift,
        font={"size": 12, "color": palette.muted},
    )


def _hover(row: Row, unit: str) -> str:
    return f"<b>{svg(row['label'], 80)}</b><br>NDCG@10 {number(row['ndcg10'], 3)}<br>{_cost(row)} {svg(unit)}"


def _cost(row: Row) -> str:
    return count(round(row["cost"])) if row["cost"] >= 10 else number(row["cost"])


def describe_frontier(rows: Sequence[Row], unit: str) -> str:
    """One sentence for screen readers."""
    told = ", ".join(
        f"{plain(row['label'], 60)} {number(row['ndcg10'], 3)} at {_cost(row)} {unit}" for row in rows
    )
    return f"NDCG@10 against {unit}: {told}."
