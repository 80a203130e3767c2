"""Two ranked lists side by side: titles at both sides of a bump chart, each as wide as the window allows."""

from collections.abc import Iterator, Sequence
from typing import Any

import streamlit as st

from dashboard.charts.bump import HEADS, Row, bump, height, listed, mark, places
from dashboard.report import pictures
from dashboard.text.literal import html
from dashboard.ui.drawing import draw
from dashboard.ui.saving import downloads
from dashboard.ui.titles import whole


def two_lists(
    rows: Sequence[Row], key: str, heads: Sequence[str] = HEADS, most: int = 20, run: str = ""
) -> None:
    """Draw the first and the last list and what joins them, with the lists between on the way. The right list
    also says how far each item moved.

    `run`: whose list the right one is; the page's source names it, for those who wait for it.
    """
    most = min(most, places(rows, most))
    with st.container(key=f"{key}-lists"):
        left, middle, right = st.columns((1, 0.75 * (len(heads) - 1), 1.2), gap=None)
        left.html(_list(heads[0], "left", lines(rows, "left", most)))
        with middle:
            draw(bump(rows, heads, most), key, height(places(rows, most)))
        right.html(_list(heads[-1], "right", lines(rows, "right", most), run))
    downloads(key, "recommendations", table(rows, heads), pictures.lists(rows, heads, most))


def table(rows: Sequence[Row], heads: Sequence[str]) -> list[dict[str, Any]]:
    """The items with their ranks and scores in every list."""
    return [
        {"item": row.item, "title": row.title, "target": row.is_target}
        | {f"rank {head}": rank for head, rank in zip(heads, row.ranks, strict=True)}
        | {f"score {head}": score for head, score in zip(heads, row.scores, strict=True)}
        for row in rows
    ]


def _list(head: str, side: str, items: Iterator[str], run: str = "") -> str:
    named = f' data-run="{html(run)}"' if run else ""
    return f'<div class="ranks {side}"{named}><p>{html(head, 40)}</p><ol>{"".join(items)}</ol></div>'


def lines(rows: Sequence[Row], side: str, most: int) -> Iterator[str]:
    """One line of HTML per rank, empty where nothing stands; the one under the last is for the target."""
    at = 0 if side == "left" else -1
    by_line = {min(rank, most + 1): (rank, row) for rank, row in listed(rows, at, most)}
    for line in range(1, max(by_line, default=0) + 1):
        if line not in by_line:
            yield "<li></li>"
            continue
        rank, row = by_line[line]
        number = f"<b>{rank}</b>"
        if side == "left":
            parts = f"{whole(row.title)}{number}"
        else:
            moved = "same" if not row.moved else "up" if row.moved > 0 else "down"
            parts = f'{number}{whole(row.title)}<i class="{moved}">{mark(row)}</i>'
        yield f"<li{' class=target' if row.is_target else ''}>{parts}</li>"
