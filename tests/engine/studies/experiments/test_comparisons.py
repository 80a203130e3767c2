"""Differences between rows: identities, hand-computed sizes, and power that simulated users bear out."""

import json
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.power import detectable, users_needed
from engine.evaluation.statistics import difference, holm, paired_tests
from engine.studies.experiments import comparisons as module
from engine.studies.experiments.comparisons import comparisons
from engine.studies.experiments.leaderboard import area
from tests.support.grid import SIZE, grid

few = settings(max_examples=20)
tables = st.integers(2, 9).flatmap(
    lambda users: st.lists(
        st.lists(st.integers(1, SIZE), min_size=users, max_size=users), min_size=2, max_size=4
    )
)


@given(tables, st.integers(0, 3))
@few
def test_each_difference_is_the_paired_test_of_its_two_rows(rows: list[list[int]], seed: int) -> None:
    cells = grid({f"r{place}": row for place, row in enumerate(rows)})
    found = comparisons(cells, seed)
    for measure in ("ndcg10", "hr1"):
        for reference, others in found[measure].items():
            assert list(others) == [row.key for row in cells.rows if row.key != reference]
            for key, test in others.items():
                first, second = cells.mean(key, measure), cells.mean(reference, measure)
                assert first is not None
                assert second is not None
                alone = difference(first, second, seed)
                assert {part: test[part] for part in alone} == pytest.approx(alone)
            raw = [test["p"] for test in others.values()]
            assert [test["p_holm"] for test in others.values()] == holm(raw)


@given(tables)
@few
def test_the_other_direction_is_the_mirror_image(rows: list[list[int]]) -> None:
    found = comparisons(grid({f"r{place}": row for place, row in enumerate(rows)}))["ndcg10"]
    for reference, others in found.items():
        for key, test in others.items():
            back = found[key][reference]
            assert (back["mean"], back["p"], back["sd"]) == (-test["mean"], test["p"], test["sd"])
            assert (back["wins"], back["ties"], back["losses"]) == (
                test["losses"],
                test["ties"],
                test["wins"],
            )
            assert test["wins"] + test["ties"] + test["losses"] == test["n"]


def test_sizes_worked_out_by_hand() -> None:
    test = comparisons(grid({"old": [2, 5, 11, 1], "new": [1, 5, 1, 2]}))["hr1"]["old"]["new"]
    differences = np.array([1, 0, 1, -1])
    assert (test["wins"], test["ties"], test["losses"]) == (2, 1, 1)
    assert test["mean"] == 0.25
    assert test["sd"] == pytest.approx(differences.std(ddof=1))
    assert test["dz"] == pytest.approx(0.25 / differences.std(ddof=1))


def test_rows_that_are_equal_tie_everywhere_and_have_no_effect_size() -> None:
    test = comparisons(grid({"old": [2, 5, 11], "new": [2, 5, 11]}))["ndcg10"]["old"]["new"]
    assert (test["ties"], test["dz"], test["detectable"], test["p"]) == (3, None, 0, 1)


def test_areas_are_compared_by_what_each_user_adds() -> None:
    cells = grid({"old": [[2, 9, 11, 4, 20, 7], [1, 3, 9, 4, 20, 7]], "new": [1, 5, 1, 2, 3, 8]})
    test = comparisons(cells, 2, ["auc"])["auc"]["old"]["new"]
    old, new = area(cells, "old"), area(cells, "new")
    assert old is not None
    assert new is not None
    alone = difference(new.mean(axis=0), old.mean(axis=0), 2)
    assert {part: test[part] for part in alone} == pytest.approx(alone)
    assert test["mean"] == pytest.approx(new.mean() - old.mean()), "means of the parts are the areas"


def test_rounding_is_no_win() -> None:
    """The same three ranks in another order of draws add up to another last bit."""
    three = [[1, 1], [3, 3], [7, 7]]
    test = comparisons(grid({"old": three, "new": three[::-1]}))["ndcg10"]["old"]["new"]
    assert (test["wins"], test["ties"], test["losses"]) == (0, 2, 0)


@pytest.mark.parametrize("users", [1, 5])
def test_too_few_users_have_no_interval(users: int) -> None:
    test = comparisons(grid({"old": [9] * users, "new": [1] * users}))["ndcg10"]["old"]["new"]
    assert (test["low"], test["high"]) == (None, None)
    assert json.loads(json.dumps(test, allow_nan=False)) == test


def test_one_row_has_nothing_to_be_compared_with() -> None:
    assert comparisons(grid({"only": [1, 2]}))["ndcg10"] == {"only": {}}


def test_the_tests_come_in_blocks_that_share_their_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    cells = grid({f"r{place}": rng.integers(1, 21, 12) for place in range(4)})
    whole = comparisons(cells, 3)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 2)
    blocks = comparisons(cells, 3)
    for reference, others in whole["ndcg10"].items():
        for key, test in others.items():
            assert blocks["ndcg10"][reference][key] == pytest.approx(test)


# Power.


def test_the_smallest_difference_is_the_textbook_one() -> None:
    assert detectable(0.4, 100) == pytest.approx((1.959964 + 0.841621) * 0.4 / 10, rel=1e-6)


@given(st.floats(0.01, 3), st.integers(6, 100_000))
def test_users_needed_turns_the_smallest_difference_round(sd: float, users: int) -> None:
    assert users_needed(sd, detectable(sd, users)) == users
    assert users_needed(sd, -detectable(sd, users)) == users


@given(st.floats(0.01, 3), st.floats(0.001, 1))
def test_one_user_less_than_needed_is_too_few(sd: float, wanted: float) -> None:
    needed = users_needed(sd, wanted)
    assert detectable(sd, needed) <= wanted * (1 + 1e-9) or needed == 6
    assert needed == 6 or detectable(sd, needed - 1) > wanted


def test_no_difference_takes_no_number_of_users() -> None:
    with pytest.raises(ValueError, match="difference of 0"):
        users_needed(0.3, 0)
    assert users_needed(0.0, 0.1) == 6


@pytest.mark.parametrize("users", [30, 120])
def test_simulated_users_show_the_smallest_difference_four_times_in_five(users: int) -> None:
    rng = np.random.Generator(np.random.PCG64(users))
    drawn = detectable(0.3, users) + rng.normal(0, 0.3, (1000, users))
    power = np.mean([test["p"] < 0.05 for test in paired_tests(drawn)])
    assert power == pytest.approx(0.8, abs=0.04)


def test_the_formula_is_near_the_exact_power_of_students_test() -> None:
    users, sd = 200, 0.25
    shift = detectable(sd, users) / sd * math.sqrt(users)
    bound = scipy.stats.t.ppf(0.975, users - 1)
    assert scipy.stats.nct.sf(bound, users - 1, shift) == pytest.approx(0.8, abs=0.01)


def test_without_any_difference_holm_keeps_the_chance_of_a_false_one() -> None:
    """Six rows alike, against one reference: seldom is any of the five called different."""
    rng = np.random.Generator(np.random.PCG64(4))
    false = 0
    for _ in range(60):
        cells = grid({f"r{place}": rng.integers(1, 21, 30) for place in range(6)})
        tests = comparisons(cells, measures=["ndcg10"])["ndcg10"]["r0"].values()
        false += any(test["p_holm"] < 0.05 for test in tests)
    assert false <= 8  # 3 are expected; 9 or more have a chance of 0.4 %
