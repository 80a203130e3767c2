"""What moved where between two ranked lists: the curves that join each item to itself, as SVG.

No Plotly: its figure of the same took most of the time between a slider's answer and its list on the screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.text.formats import number
from dashboard.text.literal import html, plain

ROW_PX = 20  # height of one rank
HEAD_PX, FOOT_PX = 26, 6
DOT_PX = 3.5  # half of a dot
WIDTHS = {"same": 1.2, "down": 1.2, "up": 1.6, "target": 3.0}  # of curves, pixels; later ones lie on top


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


def _y(rank: int | None, most: int) -> float:
    """Pixels from the top to the middle of a rank's line."""
    return HEAD_PX + (_place(rank, most) - 0.5) * ROW_PX


def _curve(row: Row, most: int) -> str:
    """A smooth step from the left rank to the right one; the width counts as 1."""
    start, end = _y(row.left, most), _y(row.right, most)
    return f"M0 {start:g}C.333 {start:g} .667 {end:g} 1 {end:g}"


def _hover(row: Row, heads: tuple[str, str]) -> str:
    lines = [html(row.title, 160) + (" · the target" if row.is_target else "")]
    for head, rank, score in ((heads[0], row.left, row.left_score), (heads[1], row.right, row.right_score)):
        place = f"rank {rank}" if rank is not None else "not in this list"
        value = f", score {number(score)}" if score is not None else ""
        lines.append(f"{html(head)}: {place}{value}")
    return "\n".join(lines)


def places(rows: Sequence[Row], most: int) -> int:
    """Lines that the lists take: every rank up to `most`, and one line for what stands below or nowhere."""
    count = max([rank for row in rows for rank in (row.left, row.right) if rank is not None], default=1)
    elsewhere = any(row.left is None or row.right is None for row in rows)
    return shown(count, most) + (count <= most and elsewhere)


def listed(rows: Sequence[Row], side: str, most: int) -> list[tuple[int, Row]]:
    """The rows that one list names, with their ranks in order: those up to `most`, and the target."""
    ranks = [(row.left if side == "left" else row.right, row) for row in rows]
    named = [(rank, row) for rank, row in ranks if rank is not None and (rank <= most or row.is_target)]
    return sorted(named, key=lambda pair: pair[0])


def bump(
    rows: Sequence[Row],
    heads: tuple[str, str] = ("without", "with demonstrations"),
    most: int = 20,
) -> str:
    """What joins two lists: rank 1 on top, a curve per item, the target on top of all.

    SVG as wide as its place, `height(places(rows, most))` pixels high; the class of a curve or dot is the
    `kind` of its rows. The titles stand beside it (ui/two_lists.py), one line of `ROW_PX` pixels per rank.
    Lists longer than `most` show their first `most` ranks; items from below come from one line under them.
    """
    lines = places(rows, most)
    most, tall = min(most, lines), height(lines)
    inside = [
        row
        for row in rows
        if _place(row.left, most) <= most or _place(row.right, most) <= most or row.is_target
    ]
    curves = {name: "".join(_curve(row, most) for row in inside if kind(row) == name) for name in WIDTHS}
    paths = [
        f'<path class="{name}" d="{curve}" stroke-width="{WIDTHS[name]}"/>'
        for name, curve in curves.items()
        if curve
    ]
    dots = [
        f'<circle class="point {kind(row)}" cx="{x}" cy="{_y(rank, most):g}" r="{DOT_PX}">'
        f"<title>{_hover(row, heads)}</title></circle>"
        for x, side in (("0", "left"), ("100%", "right"))
        for rank, row in listed(inside, side, most)
    ]
    return (
        f'<svg role="img" aria-label="{html(describe(rows, heads))}" width="100%" height="{tall}">'
        f'<svg viewBox="0 0 1 {tall}" preserveAspectRatio="none">{"".join(paths)}</svg>{"".join(dots)}</svg>'
    )


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
