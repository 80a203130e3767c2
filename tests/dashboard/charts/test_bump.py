"""The bump chart: what is drawn, in which colour, and that titles cannot draw anything themselves."""

from typing import Any

import pytest

from dashboard.charts import bump
from dashboard.charts.bump import Row
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


def test_every_rank_of_a_short_list_is_labelled(rows: list[Row]) -> None:
    figure = bump.bump(rows, LIGHT)
    left, right = (trace for trace in figure.data if trace.mode == "markers+text")
    assert len(left.text) == len(right.text) == 4
    assert figure.layout.height == bump.height(4)


def test_long_lists_show_the_top_and_always_the_target() -> None:
    left = [entry(f"i{rank}", rank, target=rank == 90) for rank in range(1, 101)]
    right = [entry(f"i{rank}", 101 - rank, target=rank == 90) for rank in range(1, 101)]
    figure = bump.bump(bump.pair(left, right), LIGHT, most=20)
    assert figure.layout.height == bump.height(21)
    labels = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert any("90" in text for text in labels[0].text), "the target's old rank is shown below the top 20"
    assert len(labels[0].text) == 21


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_cannot_draw(title: str) -> None:
    figure = bump.bump(
        bump.pair([entry("a", 1, title=title or " ")], [entry("a", 1, title=title or " ")]), LIGHT
    )
    for trace in figure.data:
        for text in [*(trace.text or []), *(trace.hovertext or [])]:
            assert "<script" not in text
            assert "<img" not in text


def test_figures_of_both_themes_differ_in_colour_only(rows: list[Row]) -> None:
    light, dark = bump.bump(rows, LIGHT), bump.bump(rows, DARK)
    assert light.layout.font.color != dark.layout.font.color
    assert [len(trace.y) for trace in light.data] == [len(trace.y) for trace in dark.data]


def test_bump_describes_itself(rows: list[Row]) -> None:
    assert bump.describe(rows).startswith(
        "Ranks without and with demonstrations: 4 items, 1 move up, 2 move down."
    )
    assert "goes from rank 3 to 1" in bump.describe(rows)
