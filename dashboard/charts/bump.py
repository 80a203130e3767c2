"""Two ranked lists side by side, each item joined to itself: what moved where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import bare
from dashboard.text.formats import number
from dashboard.text.literal import plain, svg
from dashboard.ui.theme import Palette

ROW_PX = 20  # height of one rank
HEAD_PX, FOOT_PX = 26, 6
LEFT_PX, RIGHT_PX = 190, 234  # room for the titles of either list (and the movement on the right)
GAP_PX = 40  # between title and dot: the rank
MOVE_PX = 34  # the movement at the right edge
STEPS = 24
WIDTHS = {  # pixels of letters that are far from the usual 6, in Source Sans at 12 px
    **dict.fromkeys("iljtf.,:;'|!() ", 3.4),
    **dict.fromkeys("mwMW@%", 9.6),
}


@dataclass(frozen=True)
class Row:
    """One item in both lists. Ranks count from 1; None where that list does not hold the item."""

    item: str
    title: str
    left: int | None
    right: int | None
    left_score: float | None
    right_score: float | None
    is_target: bool

    @property
    def moved(self) -> int | None:
        """Ranks gained from left to right: positive is up."""
        return None if self.left is None or self.right is None else self.left - self.right


def pair(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of two ranked lists of `{item, title, rank, score, is_target}`, in the order of the right list."""
    before = {entry["item"]: entry for entry in left}
    after = {entry["item"]: entry for entry in right}
    rows = []
    for item in [*after, *(item for item in before if item not in after)]:
        old, new = before.get(item), after.get(item)
        entry = new or old or {}
        rows.append(
            Row(
                item=item,
                title=entry["title"],
                left=old["rank"] if old else None,
                right=new["rank"] if new else None,
                left_score=old["score"] if old else None,
                right_score=new["score"] if new else None,
                is_target=bool(entry["is_target"]),
            )
        )
    return rows


def kind(row: Row) -> str:
    """The colour a row is drawn in: target, up, down or same."""
    if row.is_target:
        return "target"
    return "same" if not row.moved else "up" if row.moved > 0 else "down"


def mark(row: Row) -> str:
    """The movement with an arrow: ▲ 6, ▼ 3, – for no change, new or gone when one list lacks the item."""
    if row.moved is None:
        return "new" if row.left is None else "gone"
    return "–" if not row.moved else f"{'▲' if row.moved > 0 else '▼'} {abs(row.moved)}"


def height(rows: int) -> int:
    """Pixels the figure takes for lists of `rows` shown ranks, to reserve them before it is there."""
    return HEAD_PX + FOOT_PX + ROW_PX * rows


def shown(count: int, most: int) -> int:
    """Ranks drawn of lists of `count` items: all up to `most`, else `most` and one row for the rest."""
    return count if count <= most else most + 1


def _place(rank: int | None, most: int) -> float:
    return most + 1.0 if rank is None else float(min(rank, most + 1))


def _curves(rows: Sequence[Row], most: int) -> tuple[list[float | None], list[float | None]]:
    """Smooth steps from the left rank to the right one; None separates the items."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row in rows:
        start, end = _place(row.left, most), _place(row.right, most)
        for step in range(STEPS + 1):
            t = step / STEPS
            xs.append(t)
            ys.append(start + (end - start) * t * t * (3 - 2 * t))
        xs.append(None)
        ys.append(None)
    return xs, ys


def letters(title: str, room: float) -> int:
    """How many letters of a title fit into `room` pixels; all of them are in the hover text."""
    used = 0.0
    line = plain(title)
    for count, letter in enumerate(line):
        used += 12.0 if ord(letter) > 0x2E7F else WIDTHS.get(letter, 7.4 if letter.isupper() else 6.0)
        if used > room:
            return max(1, count - 1)
    return len(line)


def _hover(row: Row, heads: tuple[str, str]) -> str:
    lines = [f"<b>{svg(row.title, 160)}</b>" + ("  ·  the target" if row.is_target else "")]
    for head, rank, score in ((heads[0], row.left, row.left_score), (heads[1], row.right, row.right_score)):
        place = f"rank {rank}" if rank is not None else "not in this list"
        value = f", score {number(score)}" if score is not None else ""
        lines.append(f"{svg(head)}: {place}{value}")
    return "<br>".join(lines)


def _labels(
    rows: Sequence[Row], side: str, most: int, heads: tuple[str, str], palette: Palette
) -> go.Scatter:
    """The titles of one list beside its dots; beyond the last rank only the target keeps its title."""
    left = side == "left"
    room = (LEFT_PX if left else RIGHT_PX - MOVE_PX) - GAP_PX
    rank = {row.item: row.left if left else row.right for row in rows}
    named = [
        row for row in rows if (place := rank[row.item]) is not None and (place <= most or row.is_target)
    ]
    texts = []
    for row in named:
        place = rank[row.item]
        title = svg(row.title, letters(row.title, room))
        text = f"{title}  {place}" if left else f"{place}  {title}"
        texts.append(f"<b>{text}</b>" if row.is_target else text)
    return go.Scatter(
        x=[-0.0 if left else 1.0] * len(named),
        y=[_place(rank[row.item], most) for row in named],
        mode="markers+text",
        text=[f"{text}  " if left else f"  {text}" for text in texts],
        textposition="middle left" if left else "middle right",
        textfont={"color": [palette.target_text if row.is_target else palette.text for row in named]},
        marker={"size": 7, "color": [getattr(palette, kind(row)) for row in named]},
        hovertext=[_hover(row, heads) for row in named],
        hoverinfo="text",
        cliponaxis=False,
    )


def _marks(rows: Sequence[Row], most: int, palette: Palette) -> list[dict[str, Any]]:
    """The movement column at the right edge, as annotations at a fixed distance in pixels."""
    named = [row for row in rows if row.right is not None and (row.right <= most or row.is_target)]
    ink = {"up": palette.up_text, "down": palette.down_text, "same": palette.muted}
    notes = []
    for row in named:
        direction = "same" if not row.moved else "up" if row.moved > 0 else "down"
        notes.append(
            {
                "x": 1.0,
                "xref": "paper",
                "xshift": RIGHT_PX - MOVE_PX // 2 - 4,
                "y": _place(row.right, most),
                "text": mark(row),
                "showarrow": False,
                "font": {"color": palette.target_text if row.is_target else ink[direction]},
            }
        )
    return notes


def bump(
    rows: Sequence[Row],
    palette: Palette,
    heads: tuple[str, str] = ("without", "with demonstrations"),
    most: int = 20,
) -> go.Figure:
    """The two lists as a bump chart: rank 1 on top, a curve per item, the target in gold on top of all.

    Lists longer than `most` show their first `most` ranks; items from below come from one line under them.
    """
    count = max([rank for row in rows for rank in (row.left, row.right) if rank is not None], default=1)
    most = min(most, count) if count <= most else most
    elsewhere = any(row.left is None or row.right is None for row in rows)
    places = shown(count, most) + (
        count <= most and elsewhere
    )  # a line under the last for what comes and goes
    inside = [
        row
        for row in rows
        if _place(row.left, most) <= most or _place(row.right, most) <= most or row.is_target
    ]
    figure = go.Figure(
        layout=bare(palette, height(places), {"l": LEFT_PX, "r": RIGHT_PX, "t": HEAD_PX, "b": FOOT_PX})
    )
    for name, width in (("same", 1.2), ("down", 1.2), ("up", 1.6), ("target", 3.0)):
        xs, ys = _curves([row for row in inside if kind(row) == name], most)
        line = {"color": getattr(palette, name), "width": width}
        figure.add_scatter(x=xs, y=ys, mode="lines", line=line, opacity=0.85, hoverinfo="skip")
    figure.add_trace(_labels(inside, "left", most, heads, palette))
    figure.add_trace(_labels(inside, "right", most, heads, palette))
    figure.update_xaxes(range=[-0.01, 1.01])
    figure.update_yaxes(range=[places + 0.5, 0.5])
    ends = [(0.0, "right", heads[0], -8), (1.0, "left", heads[1], 8)]
    titles = [
        {
            "x": x,
            "xref": "paper",
            "xanchor": anchor,
            "xshift": shift,
            "y": 1.0,
            "yref": "paper",
            "yanchor": "bottom",
            "text": svg(text, 30),
            "showarrow": False,
            "font": {"color": palette.muted, "size": 12},
        }
        for x, anchor, text, shift in ends
    ]
    figure.update_layout(annotations=[*titles, *_marks(inside, most, palette)])
    return figure


def describe(rows: Sequence[Row], heads: tuple[str, str] = ("without", "with demonstrations")) -> str:
    """One sentence for screen readers."""
    up = sum(1 for row in rows if row.moved and row.moved > 0)
    down = sum(1 for row in rows if row.moved and row.moved < 0)
    target = next((row for row in rows if row.is_target), None)
    told = (
        f" The target, {plain(target.title, 80)}, goes from rank {target.left} to {target.right}."
        if target
        else ""
    )
    return f"Ranks {heads[0]} and {heads[1]}: {len(rows)} items, {up} move up, {down} move down.{told}"
