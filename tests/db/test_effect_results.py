"""What stored effects say: who can be told apart, where two answers disagree, which pair is redundant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.effect_results import current, groups, redundant, sign, together

wide = st.floats(0, 2, allow_nan=False)


def row(name: str, effect: float, reach: float | None = 0.0) -> dict[str, Any]:
    interval = None if reach is None else [effect - reach, effect + reach]
    return {"id": name, "effect": effect, "interval": interval, "leave_one_out": None}


def test_exact_effects_are_all_told_apart_best_first() -> None:
    assert groups([row("a", 0.1), row("b", 2.0), row("c", -1.0)]) == [["b"], ["a"], ["c"]]
    assert groups([]) == []


def test_neighbours_whose_intervals_overlap_are_not_ranked() -> None:
    rows = [row("a", 1.0, 0.1), row("b", 0.85, 0.1), row("c", 0.7, 0.1), row("d", 0.3, 0.1)]
    assert groups(rows) == [["a", "b", "c"], ["d"]]  # b stands between a and c, which are apart


def test_without_intervals_nothing_is_ranked() -> None:
    assert groups([row("a", 1.0, None), row("b", 9.0, None)]) == [["b", "a"]]


@given(st.lists(st.tuples(st.floats(-3, 3, allow_nan=False), wide), max_size=6))
def test_whoever_overlaps_is_in_one_group_and_everyone_is_in_one(rows: list[tuple[float, float]]) -> None:
    made = [row(str(n), effect, reach) for n, (effect, reach) in enumerate(rows)]
    found = groups(made)
    assert sorted(name for group in found for name in group) == sorted(each["id"] for each in made)
    place = {name: n for n, group in enumerate(found) for name in group}
    for a in made:
        for b in made:
            apart = a["interval"][0] > b["interval"][1] or b["interval"][0] > a["interval"][1]
            assert apart or place[a["id"]] == place[b["id"]]


@pytest.mark.parametrize(
    ("effect", "reach", "found"),
    [(0.5, 0.1, 1), (-0.5, 0.1, -1), (0.5, 0.6, 0), (0.04, 0.0, 0), (-0.2, 0.0, -1), (0.5, None, 0)],
)
def test_a_sign_is_said_where_it_is_sure_and_felt(effect: float, reach: float | None, found: int) -> None:
    assert sign(row("a", effect, reach)) == found


def test_both_answers_stand_side_by_side_and_say_where_they_disagree() -> None:
    totals = {"value_zero_shot": -2.0, "value": -1.0, "effect_total": 1.0}
    removal = {
        **totals,
        "mode": "direct",
        "demonstrations": [row("a", 0.6), row("b", -0.4), row("c", 0.8, 0.9)],
    }
    dropped = {
        **totals,
        "value_zero_shot": -2.5,
        "mode": "reprompt",
        "demonstrations": [row("a", 0.5), row("b", 0.3), row("c", -0.3)],
    }
    both = together(removal, dropped)
    assert both["mode"] == "reprompt"
    assert both["removal"] == totals
    assert (both["value_zero_shot"], both["value"]) == (-2.5, -1.0)
    assert [each["disagrees"] for each in both["demonstrations"]] == [False, True, False]  # c may be either
    assert [each["effect"] for each in both["demonstrations"]] == [0.5, 0.3, -0.3]
    assert [each["removal"]["effect"] for each in both["demonstrations"]] == [0.6, -0.4, 0.8]


def test_the_pair_that_teaches_the_same_is_named() -> None:
    rows = [row("a", 1.0), row("b", 1.2), row("c", 0.9), row("d", -1.0)]

    def pair(first: str, second: str, interaction: float) -> dict[str, Any]:
        return {"first": first, "second": second, "interaction": interaction}

    weak, strong, worst = pair("a", "c", -0.3), pair("a", "b", -1.1), pair("c", "d", -5.0)
    assert redundant(rows, [weak, strong, worst]) == {**strong, "effects": [1.0, 1.2]}  # d does not help
    assert redundant(rows, [weak]) is None
    assert redundant(rows, None) is None


OLD = {
    "loss": 2.0,
    "loss_zero_shot": 3.0,
    "loss_zero_shot_reprompt": 3.2,
    "effect_total": 1.0,
    "estimator": "strata",
    "nodes": 46,
    "completeness_error": 0.0,
    "certified_error": 0.0,
    "spearman_removal": 0.9,
    "spearman_reprompt": 0.4,
    "demonstrations": [{"id": "a", "effect": 1.0, "removal": 0.7, "reprompt": 0.2, "mass": 0.1}],
}


@pytest.mark.parametrize(
    ("mode", "lost", "rho"), [("direct", 0.7, 0.9), ("total", 0.7, 0.9), ("reprompt", 0.2, 0.4)]
)
def test_older_results_are_read_without_what_they_could_not_know(mode: str, lost: float, rho: float) -> None:
    found = current(OLD, {} if mode == "direct" else {"mode": mode})
    assert (found["measure"], found["mode"], found["passes"]) == ("loss", mode, 46)
    assert (found["value_zero_shot"], found["value"], found["zero_shot"]) == (3.0, 2.0, 3.2)
    [only] = found["demonstrations"]
    assert (only["leave_one_out"], only["interval"]) == (lost, None)
    assert found["spearman_leave_one_out"] == rho
    assert "certified_error" not in found
    [sure] = current({**OLD, "estimator": "exact"}, {})["demonstrations"]
    assert sure["interval"] == [1.0, 1.0]


def test_a_result_of_today_is_read_as_it_is() -> None:
    today = {"measure": "margin", "demonstrations": []}
    assert current(today, {}) == today
