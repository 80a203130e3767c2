"""Zones: everybody is in one, ties count the same every time, and intervals are Wilson's."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics import hit_rate
from engine.studies.experiments.zones import BROKEN, ONLY_WITH, SOLVED, UNSOLVED, ZONES, table, zones
from tests.support.grid import cell, grid

ranks = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=15)


def test_four_users_one_in_each() -> None:
    found = zones(grid({"none": [1, 2, 1, 3], "demos": [1, 1, 2, 4]}), "none", "demos")
    members = {zone: part["users"] for zone, part in found["zones"].items()}
    assert members == {SOLVED: ["u0"], ONLY_WITH: ["u1"], BROKEN: ["u2"], UNSOLVED: ["u3"]}
    assert json.loads(json.dumps(found)) == found
    assert [row[1] for row in table(found, {"none": "None", "demos": "Demos"})[1]] == [1, 1, 1, 1]


@given(ranks, st.integers(1, 12))
def test_everybody_is_in_exactly_one_zone(pairs: list[tuple[int, int]], k: int) -> None:
    cells = grid({"none": [pair[0] for pair in pairs], "demos": [pair[1] for pair in pairs]})
    found = zones(cells, "none", "demos", k)["zones"]
    assert sorted(user for part in found.values() for user in part["users"]) == sorted(cells.users)
    assert set(found) == set(ZONES)
    back = zones(cells, "demos", "none", k)["zones"]
    assert (back[BROKEN], back[ONLY_WITH]) == (found[ONLY_WITH], found[BROKEN])
    assert (back[SOLVED], back[UNSOLVED]) == (found[SOLVED], found[UNSOLVED])
    assert found[SOLVED]["n"] + found[BROKEN]["n"] == sum(before <= k for before, _ in pairs)


@given(st.integers(0, 19), st.integers(0, 19), st.integers(1, 10))
def test_a_tie_solves_where_half_of_its_orders_do(above: int, tied: int, k: int) -> None:
    cells = grid({"none": [[cell(above + 1, tied)]], "demos": [[cell(1)]]})
    expected = hit_rate(cells.at["none"][0][0].standing, k) >= 0.5
    assert (zones(cells, "none", "demos", k)["zones"][SOLVED]["n"] == 1) is expected


def test_draws_are_averaged_and_half_is_enough() -> None:
    cells = grid({"none": [[9, 9], [9, 9], [9, 9]], "demos": [[1, 1], [1, 2], [2, 2]]})
    assert zones(cells, "none", "demos")["zones"][ONLY_WITH]["users"] == ["u0"]
    cells = grid({"none": [[9, 9]] * 2, "demos": [[1, 1], [1, 2]]})
    assert zones(cells, "none", "demos")["zones"][ONLY_WITH]["users"] == ["u0", "u1"]


@pytest.mark.parametrize("solved, users", [(0, 12), (5, 12), (12, 12)])
def test_the_interval_is_wilsons(solved: int, users: int) -> None:
    cells = grid({"none": [9] * users, "demos": [1] * solved + [9] * (users - solved)})
    part, z = zones(cells, "none", "demos")["zones"][ONLY_WITH], 1.959963984540054
    share = solved / users
    middle = (share + z * z / (2 * users)) / (1 + z * z / users)
    half = z / (1 + z * z / users) * math.sqrt(share * (1 - share) / users + (z / (2 * users)) ** 2)
    assert part["share"] == share
    assert (part["low"], part["high"]) == pytest.approx((middle - half, middle + half), abs=1e-9)
