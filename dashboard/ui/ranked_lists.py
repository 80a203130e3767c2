"""Two ranked lists with the lines that join them: titles at the sides take the room that the browser has."""

from collections.abc import Sequence

import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.charts.bump import HEADS, Row, bump, describe, extent, height, listed, mark
from dashboard.text.literal import html
from dashboard.ui.notices import colours
from dashboard.ui.titles import whole


def draw(rows: Sequence[Row], key: str, heads: tuple[str, str] = HEADS, most: int = 20) -> None:
    """Draw rows of `charts.bump.pair`; lists longer than `most` show their first ranks and the target."""
    before, lines, after = st.container(key=f"ranked-{key}").columns(3, gap=None)
    with before:
        st.html(column(rows, "left", heads[0], most))
    with lines:
        figure = bump(rows, colours(), heads, most)
        st.plotly_chart(figure, key=key, theme=None, config=CONFIG, alt=describe(rows, heads))
    with after:
        st.html(column(rows, "right", heads[1], most))


def column(rows: Sequence[Row], side: str, head: str, most: int) -> str:
    """One list as HTML, line by line beside the figure's dots. With the keyboard it opens as a whole."""
    named, places = extent(rows, most)
    items = "".join(_item(row, side) for row in listed(rows, side, named))
    return (
        f'<div class="ranks {side}" style="height: {height(places)}px"><div class="head">{html(head)}</div>'
        f'<ol tabindex="0" aria-label="Ranks {html(head)}">{items}</ol></div>'
    )


def _item(row: Row, side: str) -> str:
    title = whole(row.title, focus=False)
    rank = f'<span class="rank">{getattr(row, side)}</span>'
    if side == "left":
        parts = title + rank
    else:
        direction = "same" if not row.moved else "up" if row.moved > 0 else "down"
        parts = f'{rank}{title}<span class="move {direction}">{mark(row)}</span>'
    return f'<li class="{"target" if row.is_target else "other"}">{parts}</li>'
