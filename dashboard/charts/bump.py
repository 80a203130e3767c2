"""What moved where between ranked lists: the curves that join each item to itself, as SVG.

No Plotly: its figure of the same took most of the time between a slider's answer and its list on the screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dashboard.text.formats import number
from dashboard.text.literal import html, plain

ROW_PX = 20  # height of one rank
HEAD_PX, FOOT_PX = 26, 6
DOT_PX = 3.5  # half of a dot
SIDES = "margin: 0 36px; width: calc(100% - 72px)"  # half a dot, and what the titles beside reach over
WIDTHS = {"same": 1.2, "down": 1.2, "up": 1.6, "target": 3.0}  # of curves, pixels; later ones lie on top


HEADS = ("without", "with demonstrations")

Ranked = Sequence[Mapping[str, Any]]
"""A ranked list of `{item, title, rank, score, is_target}`."""


@dataclass(frozen=True)
class Row:
    """One item in each of some lists, from left to right. Ranks count from 1; None where a list does not hold
    the item."""

    item: str
    title: str
    ranks: tuple[int | None, ...]
    scores: tuple[float | None, ...]
    is_target: bool

    @property
    def moved(self) -> int | None:
        """Ranks gained from the first list to the last: positive is up."""
        first, last = self.ranks[0], self.ranks[-1]
        return None if first is None or last is None else first - last


def pair(left: Ranked, right: Ranked) -> list[Row]:
    """Rows of two ranked lists, in the order of the right one."""
    return joined(left, right)


def joined(*lists: Ranked) -> list[Row]:
    """Rows of ranked lists, in the order of the last one."""
    placed = [{entry["item"]: entry for entry in one} for one in lists]
    rows = []
    for item in dict.fromkeys(item for entries in reversed(placed) for item in entries):
        found = [entries.get(item) for entries in placed]
        entry = next(each for each in reversed(found) if each is not None)
        rows.append(
            Row(
                item=item,
                title=entry["title"],
                ranks=tuple(each["rank"] if each else None for each in found),
                scores=tuple(each["score"] if each else None for each in found),
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
        return "new" if row.ranks[0] is None else "gone"
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
    """A smooth step from each list's rank to the next one's; the width counts as 1."""
    stations = [_y(rank, most) for rank in row.ranks]
    legs = len(stations) - 1
    parts = [f"M0 {stations[0]:g}"]
    for at, (start, end) in enumerate(pairwise(stations)):
        third, two_thirds, stop = (
            f"{(at + part) / legs:.3g}".removeprefix("0") for part in (1 / 3, 2 / 3, 1)
        )
        parts.append(f"C{third} {start:g} {two_thirds} {end:g} {stop} {end:g}")
    return "".join(parts)


def hover(row: Row, heads: Sequence[str]) -> str:
    """An item's title, ranks and scores in all lists, a line each, as HTML."""
    lines = [html(row.title, 160) + (" · the target" if row.is_target else "")]
    for head, rank, score in zip(heads, row.ranks, row.scores, strict=True):
        place = f"rank {rank}" if rank is not None else "not in this list"
        value = f", score {number(score)}" if score is not None else ""
        lines.append(f"{html(head)}: {place}{value}")
    return "\n".join(lines)


def places(rows: Sequence[Row], most: int) -> int:
    """Lines that the lists take: every rank up to `most`, and one line for what stands below or nowhere."""
    count = max([rank for row in rows for rank in row.ranks if rank is not None], default=1)
    elsewhere = any(None in row.ranks for row in rows)
    return shown(count, most) + (count <= most and elsewhere)


def listed(rows: Sequence[Row], at: int, most: int) -> list[tuple[int, Row]]:
    """The rows that list number `at` names, with their ranks in order: those up to `most`, and the target."""
    ranks = [(row.ranks[at], row) for row in rows]
    named = [(rank, row) for rank, row in ranks if rank is not None and (rank <= most or row.is_target)]
    return sorted(named, key=lambda pair: pair[0])


def bump(
    rows: Sequence[Row],
    heads: Sequence[str] = HEADS,
    most: int = 20,
) -> str:
    """What joins lists: rank 1 on top, a curve per item, the target on top of all.

    SVG as wide as its place, `height(places(rows, most))` pixels high; the class of a curve or dot is the
    `kind` of its rows: where they moved from the first list to the last. The titles stand beside it
    (ui/two_lists.py), one line of `ROW_PX` pixels per rank. Lists longer than `most` show their first `most`
    ranks; items from below come from one line under them.
    """
    lines = places(rows, most)
    most, tall = min(most, lines), height(lines)
    inside = [row for row in rows if row.is_target or any(_place(rank, most) <= most for rank in row.ranks)]
    curves = {name: "".join(_curve(row, most) for row in inside if kind(row) == name) for name in WIDTHS}
    paths = [
        f'<path class="{name}" d="{curve}" stroke-width="{WIDTHS[name]}" vector-effect="non-scaling-stroke"/>'
        for name, curve in curves.items()
        if curve
    ]
    across = [f"{100 * at / (len(heads) - 1):.4g}%" if at else "0" for at in range(len(heads))]
    dots = [
        f'<circle class="point {kind(row)}" cx="{x}" cy="{_y(rank, most):g}" r="{DOT_PX}">'
        f"<title>{hover(row, heads)}</title></circle>"
        for at, x in enumerate(across)
        for rank, row in listed(inside, at, most)
    ]
    # The lists at the sides have their heads beside the picture.
    named = [
        f'<text class="muted" x="{x}" y="17" text-anchor="middle" font-size="0.87rem">{html(head, 12)}</text>'
        for x, head in list(zip(across, heads, strict=True))[1:-1]
    ]
    points = "".join(dots + named)
    return (
        f'<svg role="img" aria-label="{html(describe(rows, heads))}" height="{tall}" style="{SIDES}">'
        f'<svg viewBox="0 0 1 {tall}" preserveAspectRatio="none" opacity="0.85">{"".join(paths)}</svg>'
        f"{points}</svg>"
    )


def describe(rows: Sequence[Row], heads: Sequence[str] = HEADS) -> str:
    """One sentence for screen readers."""
    up = sum(1 for row in rows if row.moved and row.moved > 0)
    down = sum(1 for row in rows if row.moved and row.moved < 0)
    target = next((row for row in rows if row.is_target), None)
    told = ""
    if target:
        way = " to ".join("no place" if rank is None else str(rank) for rank in target.ranks)
        told = f" The target, {plain(target.title, 80)}, goes from rank {way}."
    named = " and ".join([", ".join(heads[:-1]), heads[-1]])
    return f"Ranks {named}: {len(rows)} items, {up} move up, {down} move down.{told}"
