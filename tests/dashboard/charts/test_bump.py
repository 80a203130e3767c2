"""The bump chart: what is drawn, in which colour, and that titles cannot draw anything themselves."""

from typing import Any
from xml.etree import ElementTree

import pytest

from dashboard.charts import bump
from dashboard.charts.bump import Row
from dashboard.ui import drawing, two_lists
from dashboard.ui.theme import DARK, LIGHT
from tests.support.shop import HOSTILE


def drawn(rows: list[Row], most: int = 20) -> ElementTree.Element:
    """The picture, which must be well-formed."""
    return ElementTree.fromstring(bump.bump(rows, most=most))


def tall(rows: list[Row], most: int = 20) -> int:
    return int(drawn(rows, most).attrib["height"])


def entry(item: str, rank: int, target: bool = False, title: str | None = None) -> dict[str, Any]:
    return {
        "item": item,
        "title": title or f"Title {item}",
        "rank": rank,
        "score": -float(rank),
        "is_target": target,
    }


@pytest.fixture
def rows() -> list[Row]:
    left = [entry("a", 1), entry("b", 2), entry("t", 3, target=True), entry("c", 4)]
    right = [entry("t", 1, target=True), entry("a", 2), entry("b", 3), entry("c", 4)]
    return bump.pair(left, right)


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.item: row for row in rows}


def test_movement_is_up_down_same_or_target(rows: list[Row]) -> None:
    named = by_name(rows)
    assert [row.item for row in rows] == ["t", "a", "b", "c"]
    assert bump.kind(named["t"]) == "target"
    assert (bump.kind(named["a"]), bump.mark(named["a"])) == ("down", "▼ 1")
    assert (bump.kind(named["c"]), bump.mark(named["c"])) == ("same", "–")
    assert bump.mark(named["t"]) == "▲ 2"


def test_items_of_one_list_only_are_new_or_gone() -> None:
    rows = bump.pair([entry("old", 1)], [entry("young", 1)])
    assert [bump.mark(row) for row in rows] == ["new", "gone"]
    room = bump.height(2)  # a line under the list for what came and went
    assert tall(rows) == room


def test_the_target_is_the_thickest_line_and_lies_on_top(rows: list[Row]) -> None:
    curves = list(drawn(rows).iter("path"))
    assert [curve.attrib["class"] for curve in curves] == ["same", "down", "target"]
    assert max(curves, key=lambda curve: float(curve.attrib["stroke-width"])) is curves[-1]
    left, right = (bump.HEAD_PX + (rank - 0.5) * bump.ROW_PX for rank in (3, 1))
    assert curves[-1].attrib["d"] == f"M0 {left:g}C.333 {left:g} .667 {right:g} 1 {right:g}"


def test_every_rank_of_a_short_list_is_named(rows: list[Row]) -> None:
    assert [rank for rank, _ in bump.listed(rows, 0, 20)] == [1, 2, 3, 4]
    assert [row.item for _, row in bump.listed(rows, -1, 20)] == ["t", "a", "b", "c"]
    assert tall(rows) == bump.height(4)
    assert [dot.attrib["cx"] for dot in drawn(rows).iter("circle")] == ["0"] * 4 + ["100%"] * 4


def test_long_lists_show_the_top_and_always_the_target() -> None:
    left = [entry(f"i{rank}", rank, target=rank == 90) for rank in range(1, 101)]
    right = [entry(f"i{rank}", 101 - rank, target=rank == 90) for rank in range(1, 101)]
    rows = bump.pair(left, right)
    assert tall(rows) == bump.height(21)
    named = bump.listed(rows, 0, 20)
    assert [rank for rank, _ in named] == [*range(1, 21), 90], "the target's old rank stands below the top 20"
    assert named[-1][1].is_target


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_cannot_draw(title: str) -> None:
    rows = bump.pair([entry("a", 1, title=title or " ")], [entry("a", 1, title=title or " ")])
    assert {part.tag for part in drawn(rows).iter()} == {"svg", "path", "circle", "title"}
    texts = [bump.bump(rows)]
    texts += [line for side in ("left", "right") for line in two_lists.lines(rows, side, 20)]
    for text in texts:
        assert "<script" not in text
        assert "<img" not in text


def test_a_list_has_a_line_for_every_rank_of_the_chart() -> None:
    rows = bump.pair([entry("a", 1), entry("b", 3)], [entry("b", 1), entry("c", 2)])
    lines = list(two_lists.lines(rows, "left", 3))
    assert [("Title" in line) for line in lines] == [True, False, True]
    assert "gone" not in "".join(lines)
    assert "new" in list(two_lists.lines(rows, "right", 3))[1]


def test_a_dot_says_both_ranks_and_scores(rows: list[Row]) -> None:
    said = [dot.findtext("title") for dot in drawn(rows).iter("circle")]
    first = "Title t · the target\nwithout: rank 3, score −3.00\nwith demonstrations: rank 1, score −1.00"
    assert [said[2], said[4]] == [first] * 2


def test_every_kind_has_a_colour_in_both_themes() -> None:
    for kind in bump.WIDTHS:
        assert f".{kind} {{ color: light-dark({vars(LIGHT)[kind]}, {vars(DARK)[kind]}) }}" in drawing.STYLE


def test_bump_describes_itself(rows: list[Row]) -> None:
    assert bump.describe(rows).startswith(
        "Ranks without and with demonstrations: 4 items, 1 move up, 2 move down."
    )
    assert "goes from rank 3 to 1" in bump.describe(rows)


def test_several_lists_are_joined_station_by_station() -> None:
    lists = [[entry("a", 1), entry("t", 2, target=True)], [entry("t", 1, target=True), entry("a", 2)]]
    rows = bump.joined(lists[0], lists[1], lists[0])
    assert by_name(rows)["t"].ranks == (2, 1, 2)
    picture = ElementTree.fromstring(bump.bump(rows, ("A", "B", "C")))
    assert [dot.attrib["cx"] for dot in picture.iter("circle")] == ["0"] * 2 + ["50%"] * 2 + ["100%"] * 2
    assert [text.text for text in picture.iter("text")] == ["B"], "the others have theirs beside"
    low, high = (bump.HEAD_PX + (rank - 0.5) * bump.ROW_PX for rank in (2, 1))
    curve = next(path.attrib["d"] for path in picture.iter("path") if path.attrib["class"] == "target")
    assert curve == f"M0 {low:g}C.167 {low:g} .333 {high:g} .5 {high:g}C.667 {high:g} .833 {low:g} 1 {low:g}"
    assert "goes from rank 2 to 1 to 2" in picture.attrib["aria-label"]
    assert "A, B and C" in picture.attrib["aria-label"]
