"""The bump chart: what is drawn, in which colour, and that titles cannot draw anything themselves."""

from typing import Any

import pytest

from dashboard.charts import bump
from dashboard.charts.bump import Row
from dashboard.ui import two_lists
from dashboard.ui.theme import DARK, LIGHT, Palette
from tests.support.shop import HOSTILE


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
    assert bump.bump(rows, LIGHT).layout.height == room


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_target_is_the_thick_gold_line(rows: list[Row], palette: Palette) -> None:
    figure = bump.bump(rows, palette)
    gold = [trace for trace in figure.data if trace.mode == "lines" and trace.line.color == palette.target]
    assert len(gold) == 1
    assert gold[0].line.width == max(trace.line.width for trace in figure.data if trace.mode == "lines")
    assert (gold[0].y[0], gold[0].y[-2]) == (3, 1)


def test_every_rank_of_a_short_list_is_named(rows: list[Row]) -> None:
    assert [rank for rank, _ in bump.listed(rows, "left", 20)] == [1, 2, 3, 4]
    assert [row.item for _, row in bump.listed(rows, "right", 20)] == ["t", "a", "b", "c"]
    figure = bump.bump(rows, LIGHT)
    assert figure.layout.height == bump.height(4)
    assert [len(trace.x) for trace in figure.data if trace.mode == "markers"] == [4, 4]


def test_long_lists_show_the_top_and_always_the_target() -> None:
    left = [entry(f"i{rank}", rank, target=rank == 90) for rank in range(1, 101)]
    right = [entry(f"i{rank}", 101 - rank, target=rank == 90) for rank in range(1, 101)]
    rows = bump.pair(left, right)
    assert bump.bump(rows, LIGHT, most=20).layout.height == bump.height(21)
    named = bump.listed(rows, "left", 20)
    assert [rank for rank, _ in named] == [*range(1, 21), 90], "the target's old rank stands below the top 20"
    assert named[-1][1].is_target


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_cannot_draw(title: str) -> None:
    rows = bump.pair([entry("a", 1, title=title or " ")], [entry("a", 1, title=title or " ")])
    texts = [text for trace in bump.bump(rows, LIGHT).data for text in trace.hovertext or []]
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


def test_figures_of_both_themes_differ_in_colour_only(rows: list[Row]) -> None:
    light, dark = bump.bump(rows, LIGHT), bump.bump(rows, DARK)
    assert light.layout.font.color != dark.layout.font.color
    assert [len(trace.y) for trace in light.data] == [len(trace.y) for trace in dark.data]


def test_bump_describes_itself(rows: list[Row]) -> None:
    assert bump.describe(rows).startswith(
        "Ranks without and with demonstrations: 4 items, 1 move up, 2 move down."
    )
    assert "goes from rank 3 to 1" in bump.describe(rows)
